"""Replace BERT in a `BertTransformer` by vectors that were computed before."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.vector_recipe import VectorRecipe, recipe_of
from bert_spark.encoding.vector_steps import apply_steps
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
    """Look up vectors by text. Each fold and each recipe of a grid search takes its own rows and columns.

    Parameters
    ----------
    texts, vectors
        n texts and their vectors, float32, shape (n, width).
    encoder
        Settings of the encoder that made them, e.g. with pooling "cls+mean". `encode` can then return either of the
        two, or both, and what is computed of them afterwards, such as vectors of length 1.
    """

    def __init__(self, texts: list[str], vectors: np.ndarray, encoder: EncoderConfig) -> None:
        self.vectors = vectors
        self.recipe = recipe_of(encoder)
        self._row = {text: row for row, text in enumerate(texts)}

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the known vectors of texts: float32, shape (n_texts, width).

        Raises
        ------
        DataError
            If the vectors that `config` asks for can't be computed of the stored ones.
        """
        recipe = recipe_of(config)
        vectors: np.ndarray = self.vectors[[self._row[text] for text in texts]]
        if recipe == self.recipe:
            return vectors
        return apply_steps(recipe.steps, vectors[:, self._columns(recipe)])

    def width(self, config: EncoderConfig) -> int:
        """Return the numbers in one vector."""
        recipe = recipe_of(config)
        if recipe == self.recipe:
            return int(self.vectors.shape[1])
        self._columns(recipe)
        return recipe.width(self.vectors.shape[1] // len(self.recipe.poolings))

    def _columns(self, recipe: VectorRecipe) -> np.ndarray:
        stored = self.recipe.poolings
        absent = sorted(set(recipe.poolings) - set(stored))
        if absent:
            raise DataError(
                f"the vectors hold the poolings {list(stored)}, not {absent}; embed the texts with those too"
            )
        if self.recipe.steps or recipe.tokens() != self.recipe.tokens():
            raise DataError(
                "the vectors were made with another length or prompt, or were normalised, cut or put through layers; "
                f"embed the texts with the pooling {'+'.join(recipe.poolings)!r} and the settings that you ask for"
            )
        width = self.vectors.shape[1] // len(stored)
        starts = [stored.index(part) * width for part in recipe.poolings]
        return np.concatenate([np.arange(start, start + width) for start in starts])
