"""Encoders that stand in for BERT in a `BertTransformer` and hand out vectors that exist already."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import pooling_parts
from bert_spark.errors import DataError, TextError


class TextEncoder(Protocol):
    """What `BertTransformer(encoder=...)` takes: an object that embeds texts elsewhere."""

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return float32, shape (n_texts, width)."""
        ...

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        ...


class PrecomputedVectors:
    """Vectors that are there already, handed out in place of encoding the texts they belong to."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the given vectors, float32, shape (n_texts, width)."""
        if len(texts) != len(self.vectors):
            raise TextError(f"{len(self.vectors)} vectors were given for {len(texts)} texts; expected one a text")
        return self.vectors

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        return int(self.vectors.shape[1])


class VectorsByText:
    """Vectors by text, of one encoder with poolings side by side: every fold and pooling of a search takes its own.

    Parameters
    ----------
    texts, vectors
        n texts and their vectors, float32, shape (n, width).
    pooling
        What made the vectors, e.g. "cls+mean"; any of its parts, or several, can then be asked for.
    """

    def __init__(self, texts: list[str], vectors: np.ndarray, pooling: str) -> None:
        self.vectors = vectors
        self.parts = pooling_parts(pooling)
        self._row = {text: row for row, text in enumerate(texts)}

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the known vectors of texts, float32, shape (n_texts, width)."""
        return self.vectors[[self._row[text] for text in texts]][:, self._columns(config)]

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        return len(self._columns(config))

    def _columns(self, config: EncoderConfig) -> np.ndarray:
        asked = pooling_parts(config.pooling)
        absent = sorted(set(asked) - set(self.parts))
        if absent:
            raise DataError(f"the vectors hold the poolings {self.parts}, not {absent}; embed the texts with those too")
        each = self.vectors.shape[1] // len(self.parts)
        starts = [self.parts.index(part) * each for part in asked]
        return np.concatenate([np.arange(start, start + each) for start in starts])
