"""Split rows into train, validation and test by a hash of the text, so that no text is on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_spark.encoding.text_cleaning import _BLANKS, replace_lone_surrogates
from bert_spark.errors import DataError
from bert_spark.training.examples import Examples
from bert_spark.training.labels import check_labels, rare_classes


def fold_text(text: str) -> str:
    """Return `text` without the differences that do not make another tweet: case and blanks."""
    return _BLANKS.sub(" ", replace_lone_surrogates(text).casefold()).strip()


def split_number(text: str, shares: Sequence[float] = (0.70, 0.15, 0.15), seed: int = 0) -> int:
    """Return the number of the split that `text` belongs to, the same on every run and machine.

    Texts that fold to the same string belong together, so that no text stands on both sides of a split.

    Parameters
    ----------
    text
        Any string.
    shares
        Share of each split, adding up to 1; by default train, validation, test.
    seed
        Another seed, another assignment.
    """
    digest = hashlib.sha256(f"{seed}\0{fold_text(text)}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for number, share in enumerate(shares):
        edge += share
        if point < edge:
            return number
    return len(shares) - 1


SPLITS = ("train", "validation", "test")


def split_numbers(texts: Sequence[str], seed: int) -> np.ndarray:
    """Return each text's split, 0 to 2, shape (n,): the same on every machine, duplicates never on two sides."""
    return np.array([split_number(text, seed=seed) for text in texts], dtype=np.int64)


def split_examples(examples: Examples, seed: int) -> dict[str, Examples]:
    """Split 70 / 15 / 15 by a hash of the folded text."""
    number = split_numbers(examples.texts, seed)
    return {name: examples.rows(np.flatnonzero(number == i)) for i, name in enumerate(SPLITS)}


def check_splits(texts: Sequence[str], labels: Sequence[Any], seed: int) -> list[str]:
    """Return warnings about classes with few rows; refuse splits that can't be trained on or judged by.

    Raises
    ------
    DataError
        When a split is empty, or training holds fewer than two classes.
    """
    numbers = split_numbers(texts, seed)
    parts = {name: [label for label, n in zip(labels, numbers, strict=True) if n == i] for i, name in enumerate(SPLITS)}
    for name, part in parts.items():
        if not part:
            raise DataError(f"the {name} split of {len(texts)} rows is empty; give more rows")
    check_labels(parts["train"])
    warnings = [
        f"class {label!r} has {count} rows in {name}: its figures say little"
        for name, part in parts.items()
        for label, count in rare_classes(part).items()
    ]
    absent = sorted({str(label) for label in labels} - {str(label) for label in parts["train"]})
    return warnings + [f"class {label!r} has no row in train: it can never be predicted" for label in absent]


def count_conflicting_texts(texts: Sequence[str], labels: Sequence[Any]) -> int:
    """Return how many different texts carry more than one label."""
    seen: dict[str, set[Any]] = {}
    for text, label in zip(texts, labels, strict=True):
        seen.setdefault(fold_text(text), set()).add(label)
    return sum(len(found) > 1 for found in seen.values())
