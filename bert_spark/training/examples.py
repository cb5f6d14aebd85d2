"""Labelled texts with their vectors, and what is known of them."""

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
        n texts.
    vectors
        float32, shape (n, width); width 0 without BERT.
    labels
        Shape (n,).
    """

    texts: list[str]
    vectors: np.ndarray
    labels: np.ndarray

    def rows(self, chosen: np.ndarray) -> Examples:
        """Return the rows of these numbers."""
        return Examples([self.texts[i] for i in chosen], self.vectors[chosen], self.labels[chosen])


@dataclass(frozen=True)
class TrainingData:
    """Everything a training starts from.

    Attributes
    ----------
    examples
        The rows.
    encoder
        The settings of the encoder that made the vectors.
    facts
        Facts for the artefact: "counts" of rows, of what was left out and why, of truncated texts, and "warnings".
    seconds
        Seconds by the name of the step they went into, so far.
    """

    examples: Examples
    encoder: EncoderConfig
    facts: Mapping[str, Any]
    seconds: Mapping[str, float]
