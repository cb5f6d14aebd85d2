"""The model inside an artefact, for machines that have none: safetensors, tokenizer and configuration, nothing else."""

from __future__ import annotations

import hashlib
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import is_tokenizer_file, weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ArtefactError

MODEL_FOLDER = "model"
_CHUNK_BYTES = 1 << 24  # bytes read at once
_FILE_NAME = re.compile(r"(model/)?[A-Za-z0-9_][A-Za-z0-9._-]*")


def files_to_bundle(config: EncoderConfig) -> dict[str, Path]:
    """Return the files of the encoder's model, by their names inside an artefact."""
    folder = resolve_model(config.model, config.revision)
    weights = weight_files(folder)
    index = [folder / "model.safetensors.index.json"] if len(weights) > 1 else []
    others = [path for path in folder.iterdir() if path.is_file() and is_tokenizer_file(path)]
    return {f"{MODEL_FOLDER}/{path.name}": path for path in [folder / "config.json", *weights, *index, *others]}


def file_digest(fs: Any, path: str) -> str:
    """Return the sha256 of a file anywhere, read in pieces."""
    total = hashlib.sha256()
    with fs.open(path, "rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            total.update(piece)
    return total.hexdigest()


def check_file_names(names: list[str], where: str) -> None:
    """Refuse file names that lead out of an artefact's folder."""
    odd = [name for name in names if not _FILE_NAME.fullmatch(name)]
    if odd:
        raise ArtefactError(f"artefact {where!r} lists files of odd names {odd}; expected names in its own folder")


def local_model_folder(fs: Any, root: str, names: list[str], digest: str) -> str:
    """Return a local folder of a bundled model: where it lies, or a copy of what lies elsewhere, once per process."""
    if isinstance(fs, LocalFileSystem):
        return f"{root}/{MODEL_FOLDER}"
    return _copy_to_local_folder(fs, root, tuple(name for name in names if name.startswith(f"{MODEL_FOLDER}/")), digest)


@lru_cache(maxsize=4)
def _copy_to_local_folder(fs: Any, root: str, names: tuple[str, ...], digest: str) -> str:
    folder = Path(tempfile.mkdtemp(prefix=f"bert_spark-{digest[:12]}-"))
    (folder / MODEL_FOLDER).mkdir()
    for name in names:
        fs.get_file(f"{root}/{name}", str(folder / name))
    return str(folder / MODEL_FOLDER)
