"""Read an artefact from a folder and verify it. Runs no code from the folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from bert_spark.artefact import skops_audit
from bert_spark.artefact.artefact import Artefact
from bert_spark.artefact.bundled_model import check_file_names, file_digest, local_model_folder
from bert_spark.artefact.format_versions import METADATA_FILE, PIPELINE_FILE, no_artefact, upgrade_metadata
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.estimators.pipeline_introspection import bert_transformers_in, encoder_config_of


def load_artefact(folder: str | Path, digest: str | None = None) -> Artefact:
    """Load a trained pipeline. No code from the folder is run.

    The digests are not signed: they detect corruption. Against an attacker who can rewrite them, the list of trusted
    types is the protection.

    Parameters
    ----------
    folder
        A folder that `save_artefact` wrote, or its URL.
    digest
        The digest that `save_artefact` returned. An artefact with another digest is refused.

    Raises
    ------
    ArtefactError
        If a file is absent or was changed, the format is newer than this version reads, or a type is not trusted.
    FingerprintError
        If the model of the artefact's model name is not the one of training.
    """
    where = str(folder)
    fs, root = url_to_fs(where)
    raw = _read_file(fs, root, where, METADATA_FILE)
    actual = hashlib.sha256(raw).hexdigest()
    if digest is not None and actual != digest:
        raise ArtefactError(f"artefact {where!r} has digest {actual[:12]}, expected {digest[:12]}; it was replaced")
    metadata = upgrade_metadata(_parse_json(raw, where), where)
    _check_digests(fs, root, where, metadata["sha256"])
    payload = _read_file(fs, root, where, PIPELINE_FILE)
    pipeline = skops_audit.load_pipeline(payload, f"{PIPELINE_FILE} of artefact {where!r}", TRUSTED_TYPES)
    if metadata["bundled"]:
        model = local_model_folder(fs, root, sorted(metadata["sha256"]), actual)
        metadata["encoder"] |= {"model": model, "revision": None}
        for step in bert_transformers_in(pipeline):
            step.set_params(model=model, revision=None)
    artefact = Artefact(pipeline, metadata, where, actual)
    _check_encoder(artefact)
    return artefact


def _check_digests(fs: Any, root: str, where: str, digests: dict[str, str]) -> None:
    """Raise ArtefactError if a listed file is absent or has another digest, or if the pipeline's file is not listed."""
    names = sorted(digests)
    check_file_names(names, where)
    for name in names:
        if not fs.exists(f"{root}/{name}") or file_digest(fs, f"{root}/{name}") != digests[name]:
            raise ArtefactError(f"artefact {where!r}: {name} was changed or damaged; copy or train it again")
    if PIPELINE_FILE not in names:
        raise ArtefactError(f"artefact {where!r}: metadata.json has no digest of {PIPELINE_FILE}; train it again")


def _check_encoder(artefact: Artefact) -> None:
    """Check that pipeline and metadata name the same encoder and that its model is the one of training."""
    if encoder_config_of(artefact.pipeline) != (artefact.config if artefact.uses_bert else None):
        raise ArtefactError(
            f"artefact {artefact.path!r}: pipeline and metadata.json name different encoders; train it again"
        )
    actual = config_fingerprint(artefact.config) if artefact.uses_bert else None
    if artefact.uses_bert and actual != artefact.fingerprint:
        raise FingerprintError(
            f"artefact {artefact.path!r} was trained on encoder {artefact.fingerprint[:12]}, but model "
            f"{artefact.config.model!r} is {str(actual)[:12]} here; restore that model or train again"
        )


def _parse_json(raw: bytes, where: str) -> dict[str, Any]:
    try:
        return dict(json.loads(raw))
    except ValueError as err:
        raise ArtefactError(f"artefact {where!r}: {METADATA_FILE} is not valid JSON; copy or train it again") from err


def _read_file(fs: Any, root: str, where: str, name: str) -> bytes:
    try:
        data: bytes = fs.cat_file(f"{root}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        raise no_artefact(where, name) from None
    return data
