"""Save, load and verify a trained Pipeline: BERT by reference, the fitted parts as skops data, never a pickle. Knows
nothing of Spark."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from fsspec.core import url_to_fs
from sklearn.pipeline import Pipeline

from bert_spark import trusted
from bert_spark.bundle import MODEL_FOLDER, check_names, file_digest, local_model, model_files
from bert_spark.checkpoint import file_sha256
from bert_spark.config import EncoderConfig, from_mapping
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.fitted import decision, feature_layout, label_type, only_config, transformers_in, with_settings
from bert_spark.formats import FORMAT_VERSION, METADATA_FILE, upgraded
from bert_spark.linear import FastLinearSVC
from bert_spark.model import config_fingerprint
from bert_spark.transformer import BertTransformer, TextCleaner
from bert_spark.versions import versions

PIPELINE_FILE = "pipeline.skops"
OURS: dict[str, type] = {
    f"{kind.__module__}.{kind.__name__}": kind for kind in (BertTransformer, TextCleaner, FastLinearSVC)
}


@dataclass(frozen=True)
class Artefact:
    """A trained classifier and what it was trained with.

    Attributes
    ----------
    pipeline
        The fitted scikit-learn Pipeline; ``pipeline.predict(texts)`` works as it is.
    metadata
        Content of metadata.json.
    path, digest
        Where it lies, and the sha256 of its metadata, which holds the digests of its other files.
    """

    pipeline: Pipeline
    metadata: Mapping[str, Any]
    path: str
    digest: str
    config: EncoderConfig = field(init=False)

    def __post_init__(self) -> None:
        config = from_mapping(EncoderConfig, self.metadata["encoder"] or {}, METADATA_FILE)
        object.__setattr__(self, "config", config)

    @property
    def labels(self) -> np.ndarray:
        """The classes, in the order of the scores: shape (n_classes,)."""
        return np.asarray(self.pipeline[-1].classes_)

    @property
    def fingerprint(self) -> str:
        """Identity of the encoder this was trained on; "" without one."""
        return str(self.metadata["fingerprint"] or "")

    @property
    def uses_bert(self) -> bool:
        """Whether there is an encoder in it; TF-IDF alone has none."""
        return self.metadata["encoder"] is not None

    @property
    def needs_text(self) -> bool:
        """Whether texts are needed beside their vectors, as a TF-IDF arm does."""
        return not isinstance(self.pipeline[0], BertTransformer)

    @property
    def gives_probabilities(self) -> bool:
        """Whether its values are probabilities, as after a calibration, and not margins."""
        return str(self.metadata["scores"]) == "probability"

    def decision(self, texts: list[str], vectors: np.ndarray | None = None) -> np.ndarray:
        """Return every class's decision-function value: float64, shape (n_texts, n_classes).

        Parameters
        ----------
        texts
            n texts.
        vectors
            Their embeddings, float32, shape (n_texts, width); made here where they are not given.
        """
        return decision(self.pipeline, texts, vectors)


def save_artefact(
    folder: str | Path,
    pipeline: Pipeline,
    extra: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    *,
    bundle: bool = False,
) -> str:
    """Write a fitted pipeline to a folder and return its digest.

    Parameters
    ----------
    folder
        New or empty local folder, or a URL that fsspec takes.
    pipeline
        A fitted Pipeline with a classifier at its end. What is saved runs locally, on whatever device is there; the
        pipeline itself stays as it is.
    extra
        More for metadata.json: training counts, split, seed.
    files
        Texts of further files by name, e.g. metrics.json.
    bundle
        Whether to copy the model in: safetensors and tokenizer, for machines that have none.

    Raises
    ------
    ArtefactError
        When a part can't be saved as data, with what to write instead.
    """
    config = only_config(pipeline)
    classes = pipeline[-1].classes_
    with with_settings(pipeline, encoder=None, memory=None, device="auto"):
        contents = {PIPELINE_FILE: trusted.dump(pipeline, OURS)}
    contents |= {name: text.encode() for name, text in (files or {}).items()}
    model = model_files(config) if bundle and config is not None else {}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    metadata = {
        **(extra or {}),
        "format_version": FORMAT_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "labels": [str(label) for label in classes],
        "label_type": label_type(np.asarray(classes)),
        "scores": "decision function" if hasattr(pipeline, "decision_function") else "probability",
        "features": feature_layout(pipeline),
        "encoder": None if config is None else config.settings() | {"device": "auto"},
        "fingerprint": None if config is None else config_fingerprint(config),
        "bundled": bool(model),
        "versions": versions(),
        "sha256": digests | {name: file_sha256(path) for name, path in model.items()},
    }
    contents[METADATA_FILE] = json.dumps(metadata, indent=2, sort_keys=True).encode()
    fs, root = url_to_fs(str(folder))
    fs.makedirs(f"{root}/{MODEL_FOLDER}" if model else root, exist_ok=True)
    for name, path in model.items():
        fs.put_file(str(path), f"{root}/{name}")
    for name, data in contents.items():
        fs.pipe_file(f"{root}/{name}", data)
    return hashlib.sha256(contents[METADATA_FILE]).hexdigest()


def check_free_folder(folder: str | Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a place that holds something already; with `overwrite`, something that is no
    artefact.
    """
    fs, root = url_to_fs(str(folder))
    if not fs.exists(root) or not fs.ls(root):
        return
    if not overwrite:
        raise ArtefactError(f"{str(folder)!r} is there already; pass --overwrite, or another --output")
    if not fs.exists(f"{root}/{METADATA_FILE}"):
        raise ArtefactError(f"{str(folder)!r} holds something that is no artefact; pass another --output")


def load_artefact(folder: str | Path, digest: str | None = None) -> Artefact:
    """Load a trained pipeline; no code of the folder is run.

    Digests are not signed: they find corruption. Against somebody who can rewrite them, the list of trusted types
    is the guard.

    Parameters
    ----------
    folder
        What `save_artefact` wrote.
    digest
        The one it returned; another artefact at the same place is then refused.

    Raises
    ------
    ArtefactError
        When a file is absent or changed, the format is newer than this version, or a type is not to be trusted.
    FingerprintError
        When the model at the artefact's model name is not the one it was trained on.
    """
    where = str(folder)
    fs, root = url_to_fs(where)
    raw = _read(fs, root, where, METADATA_FILE)
    found = hashlib.sha256(raw).hexdigest()
    if digest is not None and found != digest:
        raise ArtefactError(f"artefact {where!r} has digest {found[:12]}, expected {digest[:12]}; it was replaced")
    metadata = upgraded(_json(raw, where), where)
    names = sorted(metadata["sha256"])
    check_names(names, where)
    for name in names:
        if not fs.exists(f"{root}/{name}") or file_digest(fs, f"{root}/{name}") != metadata["sha256"][name]:
            raise ArtefactError(f"artefact {where!r}: {name} was changed or damaged; copy or train it again")
    if PIPELINE_FILE not in names:
        raise ArtefactError(f"artefact {where!r}: metadata.json has no digest of {PIPELINE_FILE}; train it again")
    payload = _read(fs, root, where, PIPELINE_FILE)
    pipeline = trusted.parse(payload, f"{PIPELINE_FILE} of artefact {where!r}", OURS)
    if metadata["bundled"]:
        model = local_model(fs, root, names, found)
        metadata["encoder"] |= {"model": model, "revision": None}
        for step in transformers_in(pipeline):
            step.set_params(model=model, revision=None)
    artefact = Artefact(pipeline, metadata, where, found)
    _check_encoder(artefact)
    return artefact


def _check_encoder(artefact: Artefact) -> None:
    """Refuse a pipeline whose BERT is not the one its metadata names, and a model that is not the one of training."""
    if only_config(artefact.pipeline) != (artefact.config if artefact.uses_bert else None):
        raise ArtefactError(f"artefact {artefact.path!r}: pipeline and metadata.json name different encoders")
    here = config_fingerprint(artefact.config) if artefact.uses_bert else None
    if artefact.uses_bert and here != artefact.fingerprint:
        raise FingerprintError(
            f"artefact {artefact.path!r} was trained on encoder {artefact.fingerprint[:12]}, but model "
            f"{artefact.config.model!r} is {str(here)[:12]} here; restore that model or train again"
        )


@lru_cache(maxsize=2)
def cached_artefact(folder: str, digest: str) -> Artefact:
    """Return the artefact, loaded and verified once per process."""
    return load_artefact(folder, digest)


def _json(raw: bytes, where: str) -> dict[str, Any]:
    try:
        return dict(json.loads(raw))
    except ValueError as err:
        raise ArtefactError(f"artefact {where!r}: {METADATA_FILE} is no JSON; copy or train it again") from err


def _read(fs: Any, root: str, where: str, name: str) -> bytes:
    try:
        data: bytes = fs.cat_file(f"{root}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        raise ArtefactError(f"artefact {where!r} has no {name}; expected a folder that train.py wrote") from None
    return data
