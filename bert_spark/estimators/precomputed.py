"""Replace BERT in a `BertTransformer` by vectors that were computed before."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import pooling_parts
from bert_spark.errors import DataError, TextError


class TextEncoder(Protocol):
    """Interface of `BertTransformer(encoder=...)`: an object that embeds texts elsewhere."""

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the vectors of texts: float32, shape (n_texts, width)."""
        ...

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        ...


class PrecomputedVectors:
    """Return fixed vectors instead of encoding the texts they belong to.

    Parameters
    ----------
    vectors
        float32, shape (n_texts, width), in the order of the texts that `encode` will get.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the vectors: float32, shape (n_texts, width).

        Raises
        ------
        TextError
            If the number of texts differs from the number of vectors.
        """
        if len(texts) != len(self.vectors):
            raise TextError(f"got {len(self.vectors)} vectors for {len(texts)} texts; expected one vector per text")
        return self.vectors

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        return int(self.vectors.shape[1])


class VectorsByText:
    """Look up vectors by text. Each fold and each pooling of a grid search takes its own rows and columns.

    Parameters
    ----------
    texts, vectors
        n texts and their vectors, float32, shape (n, width), of one encoder.
    pooling
        The pooling of the vectors, e.g. "cls+mean". `encode` can then return any of its parts, or several of them.
    """

    def __init__(self, texts: list[str], vectors: np.ndarray, pooling: str) -> None:
        self.vectors = vectors
        self.parts = pooling_parts(pooling)
        self._row = {text: row for row, text in enumerate(texts)}

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the known vectors of texts: float32, shape (n_texts, width).

        Raises
        ------
        DataError
            If the stored vectors lack a pooling that `config` asks for.
        """
        return self.vectors[[self._row[text] for text in texts]][:, self._columns(config)]

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        return len(self._columns(config))

    def _columns(self, config: EncoderConfig) -> np.ndarray:
        requested = pooling_parts(config.pooling)
        absent = sorted(set(requested) - set(self.parts))
        if absent:
            raise DataError(f"the vectors hold the poolings {self.parts}, not {absent}; embed the texts with those too")
        width = self.vectors.shape[1] // len(self.parts)
        starts = [self.parts.index(part) * width for part in requested]
        return np.concatenate([np.arange(start, start + width) for start in starts])
