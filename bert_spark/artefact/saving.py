"""Write a fitted pipeline to a folder.

BERT is stored by name, the fitted parts as skops data. Never writes a pickle.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from fsspec.core import url_to_fs
from sklearn.pipeline import Pipeline

from bert_spark.artefact import skops_audit
from bert_spark.artefact.bundled_model import MODEL_FOLDER, files_to_bundle
from bert_spark.artefact.format_versions import FORMAT_VERSION, METADATA_FILE, PIPELINE_FILE
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.model_files import file_sha256
from bert_spark.errors import ArtefactError
from bert_spark.estimators.pipeline_introspection import (
    encoder_config_of,
    feature_layout,
    label_sql_type,
    temporary_settings,
)
from bert_spark.storage import replace_folder
from bert_spark.versions import versions

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


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
        New or empty local folder, or a URL that fsspec supports. An artefact that is there is replaced once the new one
        is complete.
    pipeline
        A fitted Pipeline that ends with a classifier. The saved copy has no remote encoder and no cache, and its device
        is "auto". The pipeline itself is not changed.
    extra
        Further entries of metadata.json, such as counts, split and seed. The entries written here override them.
    files
        Further text files, name -> content, such as metrics.json.
    bundle
        Whether to copy safetensors and tokenizer in, for machines that do not have the model.

    Returns
    -------
    str
        sha256 of metadata.json, which `load_artefact` can check.

    Raises
    ------
    ArtefactError
        If a part cannot be saved as data. The message says what to write instead.
    """
    config = encoder_config_of(pipeline)
    classes = pipeline[-1].classes_
    with temporary_settings(pipeline, encoder=None, memory=None, device="auto"):
        contents = {PIPELINE_FILE: skops_audit.dump_pipeline(pipeline, TRUSTED_TYPES)}
    contents |= {name: text.encode() for name, text in (files or {}).items()}
    model = files_to_bundle(config) if bundle and config is not None else {}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    metadata = {
        **(extra or {}),
        "format_version": FORMAT_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "labels": [str(label) for label in classes],
        "label_type": label_sql_type(np.asarray(classes)),
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
    root = root.rstrip("/")
    replaces = bool(fs.exists(f"{root}/{METADATA_FILE}"))
    written = f"{root}.new-{secrets.token_hex(3)}" if replaces else root
    try:
        fs.makedirs(written, exist_ok=True)
        for name, path in model.items():
            fs.makedirs(f"{written}/{PurePosixPath(name).parent}", exist_ok=True)
            fs.put_file(str(path), f"{written}/{name}")
        for name, data in contents.items():
            fs.pipe_file(f"{written}/{name}", data)
    except BaseException:
        if replaces and fs.exists(written):
            fs.rm(written, recursive=True)
        raise
    if replaces:
        replace_folder(fs, root, written)
        for rest in filter(fs.exists, (written, f"{written}.old")):
            fs.rm(rest, recursive=True)
    return hashlib.sha256(contents[METADATA_FILE]).hexdigest()


def check_folder_free(folder: str | Path, *, overwrite: bool) -> None:
    """Check before any work that an artefact may be written to a folder.

    Raises
    ------
    ArtefactError
        If the folder is not empty; with `overwrite`, if it holds anything but an artefact.
    """
    fs, root = url_to_fs(str(folder))
    if not fs.exists(root) or not fs.ls(root):
        return
    if not overwrite:
        raise ArtefactError(f"{str(folder)!r} already exists; pass --overwrite or another --output")
    foreign = {PurePosixPath(path).name for path in fs.ls(root, detail=False)} - _artefact_names(fs, root)
    if foreign:
        raise ArtefactError(
            f"got --overwrite, but {str(folder)!r} holds {min(foreign)!r}, which is not of an artefact; pass another "
            "--output"
        )


def _artefact_names(fs: AbstractFileSystem, root: str) -> set[str]:
    """Return the names that the artefact in a folder consists of; none if there is no artefact."""
    if not fs.exists(f"{root}/{METADATA_FILE}"):
        return set()
    try:
        written = json.loads(fs.cat_file(f"{root}/{METADATA_FILE}")).get("sha256", {})
    except ValueError:  # a full disk cut the file short
        written = {}
    return {METADATA_FILE, PIPELINE_FILE, MODEL_FOLDER} | {name.partition("/")[0] for name in written}
