"""Count groups of letters within words, as a scikit-learn step. Cuts every different word once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.utils.validation import check_is_fitted

from bert_spark.estimators.text_input import TextInputMixin


class LetterGroupCounts(TextInputMixin):
    """Give the counts of scikit-learn's ``CountVectorizer(analyzer="char_wb")`` in a fraction of its time.

    A group never crosses a blank, so the counts of a text are the sum over its words. A table of different words has
    far fewer words than its texts have: each word is cut into groups once, and the counts of the texts are the product
    of two sparse matrices, texts by words and words by groups.

    Parameters
    ----------
    ngram_range
        The least and the most letters of a group. A blank on either side of a word counts as a letter.
    min_df
        In how many texts a group must occur. Rarer ones are left out.

    Attributes
    ----------
    vocabulary_
        Group -> its column. Columns are in alphabetical order.
    """

    holds_settings_only = False  # the audit of an artefact lets a fitted vocabulary pass

    def __init__(self, ngram_range: tuple[int, int] = (2, 5), min_df: int = 3) -> None:
        self.ngram_range = ngram_range
        self.min_df = min_df

    def fit(self, X: Sequence[str], y: Any = None) -> LetterGroupCounts:
        """Learn the groups that occur in at least `min_df` of the texts X.

        Raises
        ------
        ValueError
            If there are none.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Sequence[str], y: Any = None) -> csr_matrix:
        """Learn the groups as `fit` does, and return the counts of X: float32, shape (n_texts, n_groups)."""
        words, words_of_texts = _count_words(X)
        found: dict[str, int] = {}
        groups = [[found.setdefault(group, len(found)) for group in self._cut(word)] for word in words]
        counts = words_of_texts @ _as_matrix(groups, len(found))
        kept = np.bincount(counts.indices, minlength=len(found)) >= self.min_df
        names = sorted(group for group, number in found.items() if kept[number])
        if not names:
            raise ValueError(f"no group of {self.ngram_range} letters is in min_df={self.min_df} texts; lower min_df")
        self.vocabulary_ = {name: column for column, name in enumerate(names)}
        return _sorted_rows(counts[:, [found[name] for name in names]])

    def transform(self, X: Sequence[str]) -> csr_matrix:
        """Return the counts of X: float32, shape (n_texts, n_groups)."""
        check_is_fitted(self)
        words, words_of_texts = _count_words(X)
        column = self.vocabulary_
        groups = [[column[group] for group in self._cut(word) if group in column] for word in words]
        return _sorted_rows(words_of_texts @ _as_matrix(groups, len(column)))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the groups in the order of the columns: str objects, shape (n_groups,)."""
        check_is_fitted(self)
        return np.array(list(self.vocabulary_), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags

    def _cut(self, word: str) -> list[str]:
        """Return the groups of a word, as often as they occur. A word shorter than a group is one group itself."""
        padded, groups = f" {word} ", []
        for size in range(self.ngram_range[0], self.ngram_range[1] + 1):
            groups += [padded[start : start + size] for start in range(max(len(padded) - size, 0) + 1)]
            if len(padded) <= size:
                break
        return groups


def _count_words(texts: Sequence[str]) -> tuple[list[str], csr_matrix]:
    """Return the different words of the texts in lower case, and how often each text has each: (n_texts, n_words)."""
    found: dict[str, int] = {}
    words = [[found.setdefault(word, len(found)) for word in text.lower().split()] for text in texts]
    return list(found), _as_matrix(words, len(found))


def _as_matrix(rows: Sequence[Sequence[int]], width: int) -> csr_matrix:
    """Return how often each number is in each row: float32, shape (n_rows, width). Repeated entries count together."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=ends[-1])
    matrix = csr_matrix((np.ones(len(columns), dtype=np.float32), columns, ends), shape=(len(rows), width))
    matrix.check_format()  # the columns may be from a file, and compiled code follows them unchecked
    return matrix


def _sorted_rows(counts: csr_matrix) -> csr_matrix:
    """Return the counts with the columns of each row in order, so that sums over a row are rounded alike everywhere."""
    counts.sort_indices()
    return counts
