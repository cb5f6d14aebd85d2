"""Save, load and verify a trained Pipeline: BERT by reference, the fitted parts as skops data, never a pickle. One
function,
`Artefact.decision`, serves every caller. Knows nothing of Spark."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata as installed
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from fsspec.core import url_to_fs
from sklearn.pipeline import Pipeline

from bert_spark.config import EncoderConfig, from_mapping
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.model import config_fingerprint
from bert_spark.transformer import BertTransformer, GivenVectors

FORMAT_VERSION = 1
PIPELINE_FILE = "pipeline.skops"
METADATA_FILE = "metadata.json"
TRUSTED = ("bert_spark.transformer.BertTransformer", "bert_spark.transformer.TextCleaner")
_PACKAGES = ("bert-spark", "numpy", "pandas", "pyarrow", "pyspark", "scikit-learn", "skops", "torch", "transformers")
_KINDS = {"U": "string", "O": "string", "i": "bigint", "u": "bigint", "b": "boolean"}


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
        object.__setattr__(self, "config", from_mapping(EncoderConfig, self.metadata["encoder"], METADATA_FILE))

    @property
    def labels(self) -> np.ndarray:
        """The classes, in the order of the scores: shape (n_classes,)."""
        return np.asarray(self.pipeline[-1].classes_)

    @property
    def fingerprint(self) -> str:
        """Identity of the encoder this was trained on."""
        return str(self.metadata["fingerprint"])

    @property
    def needs_text(self) -> bool:
        """Whether texts are needed beside their vectors, as a TF-IDF arm does."""
        return not isinstance(self.pipeline[0], BertTransformer)

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


def decision(pipeline: Pipeline, texts: list[str], vectors: np.ndarray | None = None) -> np.ndarray:
    """Return every class's decision-function value: float64, shape (n_texts, n_classes); see `Artefact.decision`."""
    if not len(texts):
        return np.empty((0, len(pipeline[-1].classes_)))
    with _encoder_replaced(pipeline, None if vectors is None else GivenVectors(vectors)):
        score = getattr(pipeline, "decision_function", None) or pipeline.predict_proba
        values = np.asarray(score(texts), dtype=np.float64)
    # two classes: scikit-learn gives the second one's value only
    return np.column_stack([-values, values]) if values.ndim == 1 else values


def transformers_in(pipeline: Any) -> list[BertTransformer]:
    """Return the BertTransformers anywhere inside a pipeline."""
    return [step for step in pipeline.get_params(deep=True).values() if isinstance(step, BertTransformer)]


@contextmanager
def _encoder_replaced(pipeline: Any, encoder: Any) -> Iterator[None]:
    steps = transformers_in(pipeline) if encoder is not None else []
    before = [step.encoder for step in steps]
    for step in steps:
        step.encoder = encoder
    try:
        yield
    finally:
        for step, old in zip(steps, before, strict=True):
            step.encoder = old


def fit_on_vectors(pipeline: Pipeline, texts: list[str], vectors: np.ndarray, labels: Any) -> Pipeline:
    """Fit `pipeline` on texts whose embeddings are there already, so that BERT does not run again."""
    with _encoder_replaced(pipeline, GivenVectors(vectors)):
        fitted: Pipeline = pipeline.fit(texts, labels)
    return fitted


def save_artefact(
    folder: str | Path,
    pipeline: Pipeline,
    extra: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> str:
    """Write a fitted pipeline to a folder and return its digest.

    Parameters
    ----------
    folder
        New or empty local folder, or a URL that fsspec takes.
    pipeline
        A fitted Pipeline with a classifier at its end and one BertTransformer in it, which is made local.
    extra
        More for metadata.json: training counts, split, seed.
    files
        Texts of further files by name, e.g. metrics.json.

    Raises
    ------
    ArtefactError
        When a part can't be saved as data, with what to write instead.
    """
    config = _only_config(pipeline)
    for step in transformers_in(pipeline):
        step.encoder = None
    payload = _dump(pipeline)
    classes = pipeline[-1].classes_
    contents = {PIPELINE_FILE: payload, **{name: text.encode() for name, text in (files or {}).items()}}
    metadata = {
        "format_version": FORMAT_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "labels": [str(label) for label in classes],
        "label_type": _label_type(np.asarray(classes)),
        "encoder": config.settings(),
        "fingerprint": config_fingerprint(config),
        "versions": versions(),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        **(extra or {}),
    }
    contents[METADATA_FILE] = json.dumps(metadata, indent=2, sort_keys=True).encode()
    fs, root = url_to_fs(str(folder))
    fs.makedirs(root, exist_ok=True)
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
    raw = _read(folder, METADATA_FILE)
    found = hashlib.sha256(raw).hexdigest()
    if digest is not None and found != digest:
        raise ArtefactError(
            f"artefact {str(folder)!r} has digest {found[:12]}, expected {digest[:12]}; it was replaced"
        )
    metadata = json.loads(raw)
    if metadata.get("format_version") != FORMAT_VERSION:
        raise ArtefactError(
            f"artefact {str(folder)!r} has format version {metadata.get('format_version')}, expected {FORMAT_VERSION}; "
            "train it again, or use the bert-spark that wrote it (metadata.json, versions)"
        )
    for name, expected in metadata["sha256"].items():
        if hashlib.sha256(_read(folder, name)).hexdigest() != expected:
            raise ArtefactError(f"artefact {str(folder)!r}: {name} was changed or damaged; copy or train it again")
    pipeline = _parse(_read(folder, PIPELINE_FILE), str(folder))
    artefact = Artefact(pipeline, metadata, str(folder), found)
    here = config_fingerprint(artefact.config)
    if here != artefact.fingerprint:
        raise FingerprintError(
            f"artefact {str(folder)!r} was trained on encoder {artefact.fingerprint[:12]}, but model "
            f"{artefact.config.model!r} is {here[:12]} here; restore that model or train again"
        )
    return artefact


@lru_cache(maxsize=2)
def cached_artefact(folder: str, digest: str) -> Artefact:
    """Return the artefact, loaded and verified once per process."""
    return load_artefact(folder, digest)


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide a result."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = installed.version(name)
        except installed.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _only_config(pipeline: Any) -> EncoderConfig:
    steps = transformers_in(pipeline)
    if not steps:
        raise ArtefactError(
            "the pipeline has no BertTransformer; save a plain scikit-learn pipeline with skops instead"
        )
    for step in steps:
        if not isinstance(step.model, str) or step.tokenizer is not None:
            raise ArtefactError(
                "a live model can't be saved by reference; write BertTransformer(model='name or folder')"
            )
        if step.embedding_func is not None:
            raise ArtefactError(
                "embedding_func can't be saved as data; use pooling='cls', 'mean', 'max', 'pooler' or 'flatten'"
            )
    configs = {step.config for step in steps}
    if len(configs) > 1:
        raise ArtefactError(f"the pipeline has {len(configs)} different encoders; an artefact holds one")
    return configs.pop()


def _label_type(classes: np.ndarray) -> str:
    kind = _KINDS.get(classes.dtype.kind)
    if kind is None:
        raise ArtefactError(f"labels of dtype {classes.dtype} can't be saved; use strings or integers")
    return kind


def _dump(pipeline: Any) -> bytes:
    try:
        payload: bytes = skops.io.dumps(pipeline)
    except Exception as err:  # skops raises what the object's own reduction raises
        raise ArtefactError(f"a part of the pipeline can't be saved as data ({type(err).__name__}: {err})") from err
    _refuse_untrusted(payload, "this pipeline")
    return payload


def _parse(payload: bytes, where: str) -> Pipeline:
    _refuse_untrusted(payload, where)
    pipeline: Pipeline = skops.io.loads(payload, trusted=list(TRUSTED))
    return pipeline


def _refuse_untrusted(payload: bytes, where: str) -> None:
    found = sorted(set(skops.io.get_untrusted_types(data=payload)) - set(TRUSTED))
    if found:
        raise ArtefactError(
            f"{where} holds types that are not trusted: {found}; use scikit-learn's own and BertTransformer"
        )


def _read(folder: str | Path, name: str) -> bytes:
    fs, root = url_to_fs(str(folder))
    try:
        data: bytes = fs.cat_file(f"{root}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        raise ArtefactError(f"artefact {str(folder)!r} has no {name}; expected a folder that train.py wrote") from None
    return data
