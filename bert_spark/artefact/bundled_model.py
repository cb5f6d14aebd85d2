"""The copy of a model inside an artefact, for machines that do not have the model.

Holds safetensors weights, the tokenizer, the configuration, and the files of the model's own recipe if the encoder
follows it. Refuses any other file.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import RANGES_FILE, is_tokenizer_file, weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.pooling import MODEL_POOLING
from bert_spark.encoding.recipe_files import recipe_file_names
from bert_spark.errors import ArtefactError

MODEL_FOLDER = "model"
_CHUNK_BYTES = 1 << 24  # 16 MiB of a file are in memory at once
# a file of the artefact, of its model, or of one of the model's modules, such as model/2_Dense/model.safetensors
_FILE_NAME = re.compile(r"(model/([A-Za-z0-9_][A-Za-z0-9._-]*/)?)?[A-Za-z0-9_][A-Za-z0-9._-]*")


def files_to_bundle(config: EncoderConfig) -> dict[str, Path]:
    """Return the files of the encoder's model: name inside the artefact -> local path.

    Raises
    ------
    ArtefactError
        If a file of the model's own recipe has a name that an artefact can't hold.
    """
    folder = resolve_model(config.model, config.revision)
    weights = weight_files(folder)
    index = [folder / "model.safetensors.index.json"] if len(weights) > 1 else []
    tokenizer = [path for path in folder.iterdir() if path.is_file() and is_tokenizer_file(path)]
    ranges = [folder / RANGES_FILE] if (folder / RANGES_FILE).is_file() else []
    names = [path.name for path in [folder / "config.json", *weights, *index, *tokenizer, *ranges]]
    if config.pooling == MODEL_POOLING or config.prompt:
        names += [name for name in recipe_file_names(folder) if name not in names]
    files = {f"{MODEL_FOLDER}/{name}": folder / name for name in names}
    refused = [name for name in files if not _FILE_NAME.fullmatch(name)]
    if refused:
        raise ArtefactError(
            f"model {config.model!r} has files {refused}, whose names an artefact can't hold; do not bundle it"
        )
    return files


def file_digest(fs: Any, path: str) -> str:
    """Return the sha256 of a file on any fsspec file system, read in chunks."""
    digest = hashlib.sha256()
    with fs.open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def check_file_names(names: list[str], where: str) -> None:
    """Raise ArtefactError if a file name leads out of the artefact's folder."""
    refused = [name for name in names if not _FILE_NAME.fullmatch(name)]
    if refused:
        raise ArtefactError(
            f"artefact {where!r} lists unexpected file names {refused}; expected names inside its own folder: "
            "train it again"
        )


def local_model_folder(fs: Any, root: str, names: list[str], digest: str) -> str:
    """Return a local folder that holds the bundled model.

    A model in a local artefact is used where it is. A model in remote storage is copied once for all processes of this
    machine.

    Parameters
    ----------
    fs, root
        The artefact's fsspec file system and its path there.
    names
        The artefact's files.
    digest
        The artefact's digest, the copy's name.
    """
    if isinstance(fs, LocalFileSystem):
        return f"{root}/{MODEL_FOLDER}"
    from bert_spark.artefact.local_copies import shared_copy  # its locks are those of Unix

    def fetch(folder: Path) -> None:
        (folder / MODEL_FOLDER).mkdir()
        for name in names:
            if name.startswith(f"{MODEL_FOLDER}/"):
                (folder / name).parent.mkdir(exist_ok=True)
                fs.get_file(f"{root}/{name}", str(folder / name))

    return str(shared_copy(digest, fetch) / MODEL_FOLDER)
