"""Labelled texts with their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Examples:
    """Labelled texts with their vectors: all of one length n; vectors float32, (n, width), width 0 without BERT."""

    texts: list[str]
    vectors: np.ndarray
    labels: np.ndarray

    def rows(self, chosen: np.ndarray) -> Examples:
        """Return some rows."""
        return Examples([self.texts[i] for i in chosen], self.vectors[chosen], self.labels[chosen])
