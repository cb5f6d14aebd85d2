"""Labelled texts with their vectors, and the facts about where they are from. Knows nothing of Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bert_spark.encoding.config import EncoderConfig


@dataclass(frozen=True)
class Examples:
    """Labelled texts with their vectors.

    Attributes
    ----------
    texts
        The texts, n of them.
    vectors
        float32, shape (n, width); width 0 without BERT.
    labels
        Shape (n,).
    """

    texts: list[str]
    vectors: np.ndarray
    labels: np.ndarray

    def rows(self, indices: np.ndarray) -> Examples:
        """Return the rows at these indices."""
        return Examples([self.texts[i] for i in indices], self.vectors[indices], self.labels[indices])


@dataclass(frozen=True)
class TrainingData:
    """The input of a training run.

    Attributes
    ----------
    examples
        The labelled rows.
    encoder
        Settings of the encoder that computed the vectors.
    facts
        What the artefact's metadata says of the rows: "counts" (all rows, rows left out by reason, truncated texts) and
        "warnings".
    seconds
        Name of a step -> seconds, of the steps so far.
    from_stored_vectors
        Whether the vectors were in the input. BERT has not run.
    """

    examples: Examples
    encoder: EncoderConfig
    facts: Mapping[str, Any]
    seconds: Mapping[str, float]
    from_stored_vectors: bool = False
