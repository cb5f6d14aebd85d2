"""Find the files of a model's folder, check that they are complete, and compute the digest of their content.

Reads bytes only. Knows nothing of torch and transformers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from bert_spark.errors import ConfigError, ModelError

_TOKENIZER_FILES = re.compile(r"(tokenizer|vocab|merges|special_tokens|added_tokens|spiece|sentencepiece|bpe)")
_TOKENIZER_SETTINGS = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}
RANGES_FILE = "int8_ranges.safetensors"  # in the folder of a calibrated model
CALIBRATE_AGAIN = "calibrate the model again with jobs/calibrate.py, into a new folder"
_KEYS_WITHOUT_EFFECT = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures"}


@contextlib.contextmanager
def damage_as_model_error(folder: Path) -> Iterator[None]:
    """Raise ModelError for any error in the block.

    transformers, tokenizers and json each raise errors of their own if a folder is damaged.
    """
    with _errors_as_model_error(f"model folder {folder} can't be loaded", "save or fetch it anew"):
        yield


@contextlib.contextmanager
def damage_of_ranges(path: Path) -> Iterator[None]:
    """Raise ModelError for any error in the block, which reads the int8 ranges of a model."""
    with _errors_as_model_error(f"{path} can't be read", CALIBRATE_AGAIN):
        yield


@contextlib.contextmanager
def _errors_as_model_error(what: str, way_out: str) -> Iterator[None]:
    try:
        yield
    except Exception as err:
        reason = f"{type(err).__name__}: {err}".splitlines()[0]
        raise ModelError(f"{what} ({reason}): {way_out}") from err


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of the model in `folder`: the single file if there is one, else the shards.

    transformers chooses in the same way.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values() if index.is_file() else ()
    return sorted(folder / name for name in set(names))


def check_new_model_folder(folder: str | Path) -> Path:
    """Return the path of a folder that a model will be written to.

    Raises
    ------
    ConfigError
        If it is an address and no local folder, or it exists.
    """
    if re.match(r"\w[\w+.-]+:", str(folder)):  # a letter and a colon are a drive of Windows
        raise ConfigError(
            f"got {str(folder)!r}; expected a local folder: write the model there and copy it to every executor"
        )
    path = Path(folder).expanduser()
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{str(folder)!r} already exists; set another folder")
    return path


def is_tokenizer_file(path: Path) -> bool:
    """Tell whether a file of a model's folder belongs to its tokenizer."""
    return bool(_TOKENIZER_FILES.match(path.name))


def has_vocabulary(folder: Path) -> bool:
    """Tell whether a model's folder holds tokenizer files other than settings."""
    return any(is_tokenizer_file(path) and path.name not in _TOKENIZER_SETTINGS for path in folder.iterdir())


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file. A process reads it once, until its size or modification time changes."""
    return _sha256(path, path.stat().st_size, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ranges_metadata(path: Path) -> dict[str, str]:
    """Return what was written into the header of the file of int8 ranges, beside its tensors.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    from safetensors import safe_open

    with damage_of_ranges(path), safe_open(path, framework="np") as file:
        return file.metadata() or {}


def _tensor_digests(path: Path) -> dict[str, str]:
    """Return the sha256 of each tensor of a safetensors file, by name."""
    stat = path.stat()
    return _digests_of(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)  # a large model has many shards
def _digests_of(path: Path, size: int, mtime_ns: int) -> dict[str, str]:
    """Read the file: 8 bytes of header length, a JSON header, and the tensors' bytes (README of safetensors)."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        view = memoryview(data)
        digests = {}
        for name, info in header.items():
            if name == "__metadata__":
                continue
            first, last = info["data_offsets"]
            tensor = hashlib.sha256(f"{info['dtype']}{info['shape']}".encode())
            with view[start + first : start + last] as part:
                tensor.update(part)
            digests[name] = tensor.hexdigest()
        view.release()
        return digests


def weights_digest(folder: Path) -> str:
    """Return the sha256 of a model's weights: tensors by name. It does not depend on how they are divided into shards.

    Raises
    ------
    ModelError
        If a file is missing or damaged.
    """
    with damage_as_model_error(folder):
        return hashlib.sha256(_tensor_lines(folder)).hexdigest()


def _tensor_lines(folder: Path) -> bytes:
    """Return a line of name and digest for each tensor of a model's weights."""
    tensors: dict[str, str] = {}
    for path in weight_files(folder):
        tensors.update(_tensor_digests(path))
    return "".join(f"{name}={tensors[name]}\n" for name in sorted(tensors)).encode()


def folder_digest(folder: Path) -> str:
    """Return the sha256 of a model folder's content: tensors by name, tokenizer files, architecture and int8 ranges.

    It does not depend on how the tensors are divided into shards.

    Raises
    ------
    ModelError
        If a file is missing or damaged.
    """
    stamp = tuple((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.iterdir()) if p.is_file())
    with damage_as_model_error(folder):
        return _folder_digest(folder, stamp)


@lru_cache(maxsize=8)
def _folder_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256(_tensor_lines(folder))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    total.update(
        json.dumps({k: v for k, v in config.items() if k not in _KEYS_WITHOUT_EFFECT}, sort_keys=True).encode()
    )
    for path in sorted(p for p in folder.iterdir() if _TOKENIZER_FILES.match(p.name) and p.is_file()):
        total.update(f"{path.name}\n".encode() + path.read_bytes())
    if (folder / RANGES_FILE).is_file():
        total.update((folder / RANGES_FILE).read_bytes())
    return total.hexdigest()
