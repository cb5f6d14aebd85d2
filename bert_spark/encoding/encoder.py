"""Turn texts into vectors with one BERT on one device: deduplicated, tokenised, run in batches, put back into the order
they came in. Knows nothing of Spark and pandas."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bert_spark.encoding.batching import BatchLayout, BatchRunner, EmbedBatch
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import check_no_tf32_override, pick_device
from bert_spark.encoding.error_reasons import NOT_FINITE, OUT_OF_MEMORY
from bert_spark.encoding.fingerprint import encoder_fingerprint
from bert_spark.encoding.lookahead import run_ahead
from bert_spark.encoding.model_loader import LoadedModel, load_model
from bert_spark.encoding.openvino_backend import openvino_embed_batch
from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.text_validation import check_texts
from bert_spark.encoding.token_budget import cpu_token_budget, gpu_token_budget
from bert_spark.encoding.tokenization import TextTokenizer, TokenizedTexts
from bert_spark.encoding.torch_backend import torch_embed_batch
from bert_spark.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from bert_spark.encoding.model_loader import LoadedModel

logger = logging.getLogger(__name__)


def embed_batch_for(loaded: LoadedModel, config: EncoderConfig) -> EmbedBatch:
    """Return the function that `config` asks for: ids and mask to vectors, any dtype.

    Raises
    ------
    SetupError
        When OpenVINO is not installed, or asked for on a GPU.
    ConfigError
        When OpenVINO is asked for an architecture that it is not given here.
    """
    if config.engine == "openvino":
        return openvino_embed_batch(loaded, config)
    return torch_embed_batch(loaded, config)


WINDOW_NUMBERS = 1 << 25  # of the vectors of one window: 128 MB, which only flatten comes near to


@dataclass(frozen=True)
class Encoded:
    """What became of n texts, in their order.

    Attributes
    ----------
    vectors
        float32, shape (n, width); NaN in rows that have an error.
    token_count
        int32, shape (n,): tokens before the cut, special tokens included.
    truncated
        bool, shape (n,): whether tokens were left out.
    unknown_share
        float32, shape (n,): unknown tokens among those read.
    reused
        bool, shape (n,): the text stood earlier in its window, so that its vector was there already.
    errors
        Reason for each row without a vector, by row number.
    """

    vectors: np.ndarray
    token_count: np.ndarray
    truncated: np.ndarray
    unknown_share: np.ndarray
    reused: np.ndarray
    errors: dict[int, str]

    @property
    def good(self) -> np.ndarray:
        """Numbers of the rows that have a vector."""
        return np.flatnonzero(~np.isin(np.arange(len(self.vectors)), list(self.errors)))


@dataclass(frozen=True)
class _TokenizedWindow:
    """A window of texts, read: tokens of the different ones, and which of them each row has."""

    tokens: TokenizedTexts
    inverse: np.ndarray


class BertEncoder:
    """One model on one device, from texts to float32 vectors.

    Parameters
    ----------
    loaded
        Model and tokenizer.
    config
        Settings.

    Attributes
    ----------
    texts_encoded
        Texts that went through the model: duplicates show here.
    batches
        How they are put together; counts the calls of the model.
    works_ahead
        Whether windows are tokenised and run in threads, ahead of what was asked for.
    """

    def __init__(self, loaded: LoadedModel, config: EncoderConfig) -> None:
        self.loaded = loaded
        self.config = config
        self.max_length = min(config.max_length, loaded.positions or config.max_length)
        if config.max_length > self.max_length:
            logger.warning("max_length=%d is more than the model's positions: %d", config.max_length, self.max_length)
        self.reader = TextTokenizer(loaded.tokenizer, self.max_length, whole_text=config.long_text == "windows")
        if self.reader.room < 1:
            least = self.max_length - self.reader.room + 1
            raise ConfigError(f"max_length={self.max_length} leaves no token of a text; expected {least} or more")
        self.works_ahead = on_card = loaded.device.startswith("cuda")
        if on_card and config.precision == "float32":
            check_no_tf32_override()
        self._vectors = embed_batch_for(loaded, config)
        self._exact = torch_embed_batch(loaded, dataclasses.replace(config, engine="torch", precision="float32"))
        budget = config.token_budget or cpu_token_budget(config.precision)
        self.batches = BatchRunner(loaded.device, self._layout(), self.reader.pad_id, budget)
        self.width = self._exact(*self.batches.pad([self._made_up(1)])).reshape(1, -1).shape[1]
        if not config.token_budget and on_card:
            self.batches.token_budget = gpu_token_budget(self._batch_of, self._vectors, loaded.device)
        self.texts_encoded = 0

    @classmethod
    def from_config(cls, config: EncoderConfig) -> BertEncoder:
        """Load the encoder that `config` describes onto the device this process owns."""
        return cls(load_model(config, pick_device(config.device)), config)

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors this encoder makes."""
        return encoder_fingerprint(self.loaded.digest, self.config)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts: float32, shape (n_texts, width).

        Raises
        ------
        TextError
            When a text is missing or is no str; the message names its row.
        ModelError
            When a text can't be embedded; the message names its row.
        """
        encoded = self.encode_rows(check_texts(texts))
        if encoded.errors:
            row, reason = next(iter(encoded.errors.items()))
            raise ModelError(f"row {row}: {reason} ({len(encoded.errors)} of {len(texts)} rows)")
        return encoded.vectors

    def encode_rows(self, texts: Sequence[str]) -> Encoded:
        """Embed texts window by window; a text that can't be embedded gets its reason, the others their vectors."""
        step = self.window_rows
        parts = list(self.encode_windows(texts[i : i + step] for i in range(0, max(len(texts), 1), step)))
        if len(parts) == 1:
            return parts[0]
        names = ("vectors", "token_count", "truncated", "unknown_share", "reused")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        errors = {n * step + row: reason for n, part in enumerate(parts) for row, reason in part.errors.items()}
        return Encoded(**arrays, errors=errors)

    def encode_windows(self, windows: Iterable[Sequence[str]]) -> Iterator[Encoded]:
        """Embed each window of texts in turn. On a GPU, while one window's vectors are taken on by the caller, the next
        one runs in a thread of its own, and the one after it is tokenised in another.
        """
        if not self.works_ahead:
            yield from (self._encode(self._read(window)) for window in windows)
            return
        try:
            with ThreadPoolExecutor(1, "tokenise") as first, ThreadPoolExecutor(1, "encode") as second:
                yield from run_ahead(second, self._encode, run_ahead(first, self._read, windows))
        finally:
            torch.cuda.empty_cache()  # others on the card can have it while this process idles

    @property
    def window_rows(self) -> int:
        """Rows to look at together: as set, fewer where they would hold more than WINDOW_NUMBERS."""
        return max(1, min(self.config.window_rows, WINDOW_NUMBERS // self.width))

    def _read(self, texts: Sequence[str]) -> _TokenizedWindow:
        index: dict[str, int] = {}
        inverse = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            inverse[row] = index.setdefault(prepare_text(text, self.config.clean), len(index))
        return _TokenizedWindow(self.reader.read(list(index)), inverse)

    def _encode(self, read: _TokenizedWindow) -> Encoded:
        tokens, inverse = read.tokens, read.inverse
        reused = np.ones(len(inverse), dtype=bool)
        reused[np.unique(inverse, return_index=True)[1]] = False
        vectors, failed = self._run(tokens.windows)
        if len(tokens.windows) != len(tokens.count):
            starts = np.searchsorted(tokens.owner, np.arange(len(tokens.count)))
            vectors = np.add.reduceat(vectors, starts) / np.bincount(tokens.owner)[:, None].astype(np.float32)
        by_text = {int(tokens.owner[window]): reason for window, reason in failed.items()}
        errors = {row: by_text[i] for row, i in enumerate(inverse.tolist()) if i in by_text} if by_text else {}
        self.texts_encoded += len(tokens.count)
        truncated = (tokens.count > self.max_length) & (self.config.long_text == "truncate")
        unknown = tokens.unknown_share[inverse]
        return Encoded(vectors[inverse], tokens.count[inverse], truncated[inverse], unknown, reused, errors)

    def _run(self, windows: list[list[int]]) -> tuple[np.ndarray, dict[int, str]]:
        """Embed token windows: float32, shape (n_windows, width), and the reasons of those that failed. A row that
        half precision can't hold is run again in float32.
        """
        vectors, too_large = self.batches.run(windows, self._vectors, self.width)
        failed = dict.fromkeys(too_large, OUT_OF_MEMORY)
        broken = [row for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist() if row not in failed]
        if broken and self.config.precision != "float32":
            vectors[broken], too_large = self.batches.run([windows[i] for i in broken], self._exact, self.width)
            failed |= {broken[i]: OUT_OF_MEMORY for i in too_large}
            broken = [row for row in broken if row not in failed and not np.isfinite(vectors[row]).all()]
        vectors[broken] = np.nan
        return vectors, dict.fromkeys(broken, NOT_FINITE) | failed

    def _layout(self) -> BatchLayout:
        """Return which rows may stand in one batch: a function is not given the attention mask, so that it must never
        see padding, and the tutorial's flatten gives no row a text: each is run alone, padded to max_length.
        """
        if self.config.embedding_func is None:
            return BatchLayout(padded_to=self.max_length if self.config.pooling == "flatten" else None)
        if self._is_row_wise():
            return BatchLayout(alike=True)
        return BatchLayout(padded_to=self.max_length, alone=True)

    def _is_row_wise(self) -> bool:
        """Tell whether embedding_func gives one row of fixed width a text: the tutorial's flatten does not."""
        shapes = set()
        for tokens in {1, min(2, self.reader.room)}:
            ids = torch.tensor([self._made_up(tokens)] * 2, device=self.loaded.device)
            result = self._exact(ids, torch.ones_like(ids))
            if not isinstance(result, torch.Tensor):
                raise ConfigError(f"embedding_func gave a {type(result).__name__}; expected a tensor, one row a text")
            shapes.add(tuple(result.shape))
        shape = shapes.pop()
        return not shapes and len(shape) == 2 and shape[0] == 2

    def _batch_of(self, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and mask of a made-up batch of so many tokens, in rows of max_length."""
        return self.batches.pad([self._made_up(self.reader.room)] * max(1, tokens // self.max_length))

    def _made_up(self, tokens: int) -> list[int]:
        return [*self.reader.prefix, *([self.reader.unknown_id or self.reader.pad_id] * tokens), *self.reader.suffix]
