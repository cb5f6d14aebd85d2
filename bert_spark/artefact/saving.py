"""Write a fitted pipeline to a folder: BERT by reference, the fitted parts as skops data, never a pickle."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fsspec.core import url_to_fs
from sklearn.pipeline import Pipeline

from bert_spark.artefact import skops_audit
from bert_spark.artefact.bundled_model import (
    MODEL_FOLDER,
    files_to_bundle,
)
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
from bert_spark.versions import versions


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
    fs.makedirs(f"{root}/{MODEL_FOLDER}" if model else root, exist_ok=True)
    for name, path in model.items():
        fs.put_file(str(path), f"{root}/{name}")
    for name, data in contents.items():
        fs.pipe_file(f"{root}/{name}", data)
    return hashlib.sha256(contents[METADATA_FILE]).hexdigest()


def check_folder_free(folder: str | Path, *, overwrite: bool) -> None:
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
