"""Turn texts into vectors with one BERT on one device: deduplicated, sorted by length, in batches of a token budget, in
the order they came. Knows nothing of Spark and pandas."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, ModelError
from bert_spark.gpu import memory_permitting, pick_device
from bert_spark.model import LoadedModel, fingerprint, load
from bert_spark.pooling import by_name
from bert_spark.text import check_texts, prepare
from bert_spark.tokens import TokenReader

logger = logging.getLogger(__name__)

NOT_FINITE = "vector is not finite"
OUT_OF_MEMORY = "out of memory for this text alone"


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
    texts_encoded, forward_calls
        Texts that went through the model, and calls of it: duplicates and padding show here.
    """

    def __init__(self, loaded: LoadedModel, config: EncoderConfig) -> None:
        self.loaded = loaded
        self.config = config
        self.max_length = min(config.max_length, loaded.positions or config.max_length)
        if config.max_length > self.max_length:
            logger.warning("max_length=%d is more than the model's positions: %d", config.max_length, self.max_length)
        self.reader = TokenReader(loaded.tokenizer, self.max_length, whole_text=config.long_text == "windows")
        if self.reader.room < 1:
            least = self.max_length - self.reader.room + 1
            raise ConfigError(f"max_length={self.max_length} leaves no token of a text; expected {least} or more")
        self.token_budget = config.token_budget
        self._per_text = config.embedding_func is not None and not self._is_row_wise()
        self.width = self._forward([self._probe(1)], "float32").shape[1]
        self.texts_encoded = 0
        self.forward_calls = 0

    @classmethod
    def from_config(cls, config: EncoderConfig) -> BertEncoder:
        """Load the encoder that `config` describes onto the device this process owns."""
        return cls(load(config, pick_device(config.device)), config)

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors this encoder makes."""
        return fingerprint(self.loaded.digest, self.config)

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
        step = self.config.window_rows
        parts = [self._encode_window(texts[start : start + step]) for start in range(0, max(len(texts), 1), step)]
        if len(parts) == 1:
            return parts[0]
        names = ("vectors", "token_count", "truncated", "unknown_share", "reused")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        errors = {n * step + row: reason for n, part in enumerate(parts) for row, reason in part.errors.items()}
        return Encoded(**arrays, errors=errors)

    def _encode_window(self, texts: Sequence[str]) -> Encoded:
        index: dict[str, int] = {}
        inverse = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            inverse[row] = index.setdefault(prepare(text, self.config.clean), len(index))
        reused = np.ones(len(texts), dtype=bool)
        reused[np.unique(inverse, return_index=True)[1]] = False
        tokens = self.reader.read(list(index))
        vectors, failed = self._encode_windows(tokens.windows)
        if len(tokens.windows) != len(index):
            starts = np.searchsorted(tokens.owner, np.arange(len(index)))
            vectors = np.add.reduceat(vectors, starts) / np.bincount(tokens.owner)[:, None].astype(np.float32)
        by_text = {int(tokens.owner[window]): reason for window, reason in failed.items()}
        errors = {row: by_text[i] for row, i in enumerate(inverse.tolist()) if i in by_text} if by_text else {}
        self.texts_encoded += len(index)
        truncated = (tokens.count > self.max_length) & (self.config.long_text == "truncate")
        unknown = tokens.unknown_share[inverse]
        return Encoded(vectors[inverse], tokens.count[inverse], truncated[inverse], unknown, reused, errors)

    def _encode_windows(self, windows: list[list[int]]) -> tuple[np.ndarray, dict[int, str]]:
        """Embed token windows: float32, shape (n_windows, width), and the reasons of those that failed."""
        vectors = np.full((len(windows), self.width), np.nan, dtype=np.float32)
        failed: dict[int, str] = {}
        order = np.argsort([-len(window) for window in windows], kind="stable")
        start = 0
        while start < len(order):
            batch = order[start : start + self._rows_that_fit(windows, order, start)]
            result = self._run_if_it_fits([windows[i] for i in batch])
            if result is not None:
                vectors[batch] = result
            elif len(batch) > 1:
                continue
            else:
                failed[int(batch[0])] = OUT_OF_MEMORY
            start += len(batch)
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        vectors[broken] = np.nan
        return vectors, dict.fromkeys(broken.tolist(), NOT_FINITE) | failed

    def _rows_that_fit(self, windows: list[list[int]], order: np.ndarray, start: int) -> int:
        """Return how many rows of `order` make the next batch; the first is the longest. At least one, however long."""
        longest = len(windows[order[start]])
        if self._per_text:
            return 1
        rows = max(1, self.token_budget // (self.max_length if self._fixed_width else longest))
        if self.config.embedding_func is not None:
            # a function that is not given the attention mask must never see padding
            same = (len(windows[i]) == longest for i in order[start : start + rows])
            rows = next((n for n, equal in enumerate(same) if not equal), rows)
        return rows

    @property
    def _fixed_width(self) -> bool:
        """Whether each row is padded to max_length, so that all have the same number of states."""
        return self._per_text or (self.config.embedding_func is None and self.config.pooling == "flatten")

    def _run_if_it_fits(self, batch: list[list[int]]) -> np.ndarray | None:
        """Embed one batch; None where memory does not suffice: then the token budget is halved, for all to come."""
        with memory_permitting():
            return self._run(batch)
        if self.loaded.device != "cpu":  # the error is gone here, and with it the tensors that it held
            torch.cuda.empty_cache()
        if len(batch) > 1:
            self.token_budget = max(1, len(batch) * self._padded(batch) // 2)
            logger.warning("out of memory: token budget halved to %d", self.token_budget)
        return None

    def _run(self, batch: list[list[int]]) -> np.ndarray:
        """Embed one batch: float32, shape (rows, width); a row that half precision can't hold is run in float32."""
        self.forward_calls += 1
        vectors = self._forward(batch, self.config.precision)
        if self.config.precision != "float32":
            broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
            if len(broken):
                vectors[broken] = self._forward([batch[i] for i in broken], "float32")
        return vectors

    def _forward(self, batch: list[list[int]], precision: str) -> np.ndarray:
        ids, mask = self._pad(batch)
        with torch.inference_mode(), self._arithmetic(precision):
            output = self.loaded.model(input_ids=ids, attention_mask=mask)
            if self.config.embedding_func is None:
                vectors = by_name(self.config.pooling)(output, mask)
            else:
                vectors = self.config.embedding_func(output)
        result: np.ndarray = vectors.reshape(len(batch), -1).to(torch.float32).cpu().numpy()
        return result

    def _padded(self, batch: list[list[int]]) -> int:
        """Return the tokens of a row after padding."""
        return self.max_length if self._fixed_width else max(len(window) for window in batch)

    def _pad(self, batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, int64, (rows, tokens), padded on the right: BERT's positions start left."""
        ids = np.full((len(batch), self._padded(batch)), self.reader.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(batch):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        device = self.loaded.device
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)

    def _arithmetic(self, precision: str) -> contextlib.AbstractContextManager[None]:
        # autocast over float32 weights is nearer to float32 than half-precision weights, and no slower on CPUs
        half = precision != "float32"
        return torch.autocast(torch.device(self.loaded.device).type, dtype=getattr(torch, precision), enabled=half)

    def _probe(self, tokens: int) -> list[int]:
        return [*self.reader.prefix, *([self.reader.unknown_id or self.reader.pad_id] * tokens), *self.reader.suffix]

    def _is_row_wise(self) -> bool:
        """Tell whether embedding_func gives one row of fixed width a text: the tutorial's flatten does not."""
        self._per_text = False
        shapes = set()
        for tokens in {1, min(2, self.reader.room)}:
            ids, mask = self._pad([self._probe(tokens)] * 2)
            with torch.inference_mode():
                output = self.loaded.model(input_ids=ids, attention_mask=mask)
                result = self.config.embedding_func(output)  # type: ignore[misc]
            if not isinstance(result, torch.Tensor):
                raise ConfigError(f"embedding_func gave a {type(result).__name__}; expected a tensor, one row a text")
            shapes.add(tuple(result.shape))
        shape = shapes.pop()
        return not shapes and len(shape) == 2 and shape[0] == 2
