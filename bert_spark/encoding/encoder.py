"""Turn texts into vectors with one BERT on one device, in the order of the texts. Knows nothing of Spark and pandas.

Identical texts are encoded once. Texts are tokenised, run in batches, and pooled into one vector each.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import check_no_tf32_override, pick_device
from bert_spark.encoding.error_reasons import NO_TOKENS, NOT_FINITE, OUT_OF_MEMORY
from bert_spark.encoding.fingerprint import encoder_fingerprint
from bert_spark.encoding.lookahead import run_ahead
from bert_spark.encoding.model_loader import LoadedModel, load_model
from bert_spark.encoding.model_setup import set_up_model
from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.text_validation import check_texts
from bert_spark.encoding.tokenization import TextTokenizer, TokenizedTexts, lower_casing
from bert_spark.encoding.vector_recipe import resolve_recipe
from bert_spark.encoding.vector_steps import Normalize
from bert_spark.errors import ConfigError, ModelError

logger = logging.getLogger(__name__)

MAX_WINDOW_NUMBERS = 1 << 25  # float32 numbers in the vectors of one window: 128 MB; only flatten comes near


@dataclass(frozen=True)
class EncodedTexts:
    """Vectors, diagnostics and errors of n texts, in their order.

    Attributes
    ----------
    vectors
        float32, shape (n, width). NaN in rows that have an error.
    token_count
        int32, shape (n,): tokens before truncation, including special tokens.
    truncated
        bool, shape (n,): whether tokens were cut off.
    unknown_share
        float32, shape (n,): share of unknown tokens among those read.
    reused
        bool, shape (n,): whether the same text was earlier in its window, so that its vector was reused.
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
    def rows_with_vector(self) -> np.ndarray:
        """Row numbers of the texts that have a vector, ascending."""
        return np.flatnonzero(~np.isin(np.arange(len(self.vectors)), list(self.errors)))


@dataclass(frozen=True)
class _TokenizedWindow:
    """A window of texts after deduplication and tokenization.

    Attributes
    ----------
    tokens
        Tokens of the distinct texts.
    inverse
        int64, shape (n_rows,): index of each row's text among the distinct texts, as in `numpy.unique`.
    """

    tokens: TokenizedTexts
    inverse: np.ndarray


class BertEncoder:
    """One model on one device that turns texts into float32 vectors.

    Parameters
    ----------
    loaded
        Model and tokenizer.
    config
        Settings.

    Attributes
    ----------
    recipe
        How a vector is made, with every setting resolved.
    width
        Numbers in one vector.
    texts_encoded
        Number of texts that the model has run on. Duplicates in a window count once.
    batch_runner
        Forms the batches, and counts the calls of the model.
    lookahead
        Whether the next windows are tokenised and run in threads while the caller uses the last result. True on GPUs.
    """

    def __init__(self, loaded: LoadedModel, config: EncoderConfig) -> None:
        self.loaded = loaded
        self.config = config
        self.recipe = recipe = resolve_recipe(config, loaded.source)
        self.max_length = min(recipe.max_length, loaded.positions or recipe.max_length)
        if (config.max_length or 0) > self.max_length:
            logger.warning("max_length=%d is more than the model's positions: %d", config.max_length, self.max_length)
        whole_text = config.long_text == "windows"
        tokenizer = lower_casing(copy.deepcopy(loaded.tokenizer)) if recipe.lower_case else loaded.tokenizer
        self.text_tokenizer = TextTokenizer(tokenizer, self.max_length, whole_text=whole_text)
        if self.text_tokenizer.max_text_tokens < 1:
            least = self.max_length - self.text_tokenizer.max_text_tokens + 1
            raise ConfigError(f"max_length={self.max_length} leaves no token of a text; expected {least} or more")
        self.lookahead = loaded.device.startswith("cuda")
        if self.lookahead and config.precision == "float32":
            check_no_tf32_override()
        self._setup = set_up_model(loaded, config, recipe, self.text_tokenizer)
        self.batch_runner, self.width = self._setup.batch_runner, self._setup.width
        self.texts_encoded = 0

    @classmethod
    def from_config(cls, config: EncoderConfig) -> BertEncoder:
        """Load the encoder that `config` describes onto the device of this process."""
        return cls(load_model(config, pick_device(config.device)), config)

    @property
    def fingerprint(self) -> str:
        """Identity of this encoder's vectors."""
        return encoder_fingerprint(self.loaded.digest, self.config, self.recipe)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts: float32, shape (n_texts, width).

        Raises
        ------
        TextError
            If a text is missing or is not a str. The message names its row.
        ModelError
            If a text cannot be embedded. The message names its row.
        """
        encoded = self.encode_rows(check_texts(texts))
        if encoded.errors:
            row, reason = next(iter(encoded.errors.items()))
            raise ModelError(f"row {row}: {reason} ({len(encoded.errors)} of {len(texts)} rows)")
        return encoded.vectors

    def encode_rows(self, texts: Sequence[str]) -> EncodedTexts:
        """Embed texts window by window. A text that cannot be embedded gets an error; the others get their vectors."""
        step = self.window_rows
        parts = list(self.encode_windows(texts[i : i + step] for i in range(0, max(len(texts), 1), step)))
        if len(parts) == 1:
            return parts[0]
        names = ("vectors", "token_count", "truncated", "unknown_share", "reused")
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        errors = {n * step + row: reason for n, part in enumerate(parts) for row, reason in part.errors.items()}
        return EncodedTexts(**arrays, errors=errors)

    def encode_windows(self, windows: Iterable[Sequence[str]]) -> Iterator[EncodedTexts]:
        """Embed each window of texts in turn.

        On a GPU three things run at once: the caller uses the vectors of one window, a thread runs the model on the
        next window, and another thread tokenises the window after that.
        """
        if not self.lookahead:
            yield from (self._encode(self._tokenize(window)) for window in windows)
            return
        try:
            with ThreadPoolExecutor(1, "tokenise") as tokenising, ThreadPoolExecutor(1, "encode") as encoding:
                yield from run_ahead(encoding, self._encode, run_ahead(tokenising, self._tokenize, windows))
        finally:
            torch.cuda.empty_cache()  # other processes on the GPU can use the memory while this one idles

    @property
    def window_rows(self) -> int:
        """Rows in one window: the setting, or fewer if their vectors would hold more than MAX_WINDOW_NUMBERS."""
        return max(1, min(self.config.window_rows, MAX_WINDOW_NUMBERS // self.width))

    def _tokenize(self, texts: Sequence[str]) -> _TokenizedWindow:
        index: dict[str, int] = {}
        inverse = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            prepared = self.recipe.prompt + prepare_text(text, self.config.clean)
            inverse[row] = index.setdefault(prepared, len(index))
        return _TokenizedWindow(self.text_tokenizer.tokenize(list(index)), inverse)

    def _encode(self, window: _TokenizedWindow) -> EncodedTexts:
        tokens, inverse = window.tokens, window.inverse
        reused = np.ones(len(inverse), dtype=bool)
        reused[np.unique(inverse, return_index=True)[1]] = False
        vectors, failed = self._run(tokens.windows)
        if len(tokens.windows) != len(tokens.token_count):  # long texts in several token windows: the mean of each text
            starts = np.searchsorted(tokens.text_of_window, np.arange(len(tokens.token_count)))
            windows_per_text = np.bincount(tokens.text_of_window)[:, None].astype(np.float32)
            vectors = np.add.reduceat(vectors, starts) / windows_per_text
            if self.recipe.steps[-1:] == (Normalize(),):  # a mean of vectors of length 1 is shorter
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        by_text = {int(tokens.text_of_window[number]): reason for number, reason in failed.items()}
        errors = {row: by_text[i] for row, i in enumerate(inverse.tolist()) if i in by_text} if by_text else {}
        self.texts_encoded += len(tokens.token_count)
        truncated = (tokens.token_count > self.max_length) & (self.config.long_text == "truncate")
        unknown = tokens.unknown_share[inverse]
        return EncodedTexts(vectors[inverse], tokens.token_count[inverse], truncated[inverse], unknown, reused, errors)

    def _run(self, windows: list[list[int]]) -> tuple[np.ndarray, dict[int, str]]:
        """Embed token windows: float32, shape (n_windows, width), and the reasons of those that failed.

        A row that overflows in half precision is run again in float32.
        """
        rows = [row for row, window in enumerate(windows) if window]
        if len(rows) < len(windows):  # a text without tokens, of a tokenizer without special tokens
            vectors = np.full((len(windows), self.width), np.nan, dtype=np.float32)
            vectors[rows], failed = self._run([windows[row] for row in rows])
            without = dict.fromkeys(set(range(len(windows))) - set(rows), NO_TOKENS)
            return vectors, without | {rows[i]: reason for i, reason in failed.items()}
        vectors, no_memory = self.batch_runner.run(windows, self._setup.embed_batch, self.width)
        failed = dict.fromkeys(no_memory, OUT_OF_MEMORY)
        broken = [row for row in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist() if row not in failed]
        if broken and self.config.precision != "float32":
            again = [windows[row] for row in broken]
            vectors[broken], no_memory = self.batch_runner.run(again, self._setup.embed_batch_float32, self.width)
            failed |= {broken[i]: OUT_OF_MEMORY for i in no_memory}
            broken = [row for row in broken if row not in failed and not np.isfinite(vectors[row]).all()]
        vectors[broken] = np.nan
        return vectors, dict.fromkeys(broken, NOT_FINITE) | failed
