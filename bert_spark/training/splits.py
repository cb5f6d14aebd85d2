"""Split rows into train, validation and test by a hash of the text. No text is in two splits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from bert_spark.encoding.text_cleaning import replace_lone_surrogates
from bert_spark.errors import DataError
from bert_spark.training.examples import Examples
from bert_spark.training.labels import check_labels, rare_classes

SPLITS = ("train", "validation", "test")
HELD_OUT_SPLITS = SPLITS[1:]
_BLANKS = re.compile(r"\s+")


def fold_text(text: str) -> str:
    """Return `text` case-folded and with single blanks. Texts that fold to the same string count as one tweet."""
    return _BLANKS.sub(" ", replace_lone_surrogates(text).casefold()).strip()


def split_number(text: str, shares: Sequence[float] = (0.70, 0.15, 0.15), seed: int = 0) -> int:
    """Return the number of the split that `text` belongs to, the same on every run and machine.

    Texts that fold to the same string are always in the same split.

    Parameters
    ----------
    text
        Any string.
    shares
        Share of each split, adding up to 1; by default train, validation, test.
    seed
        Another seed gives another assignment.
    """
    digest = hashlib.sha256(f"{seed}\0{fold_text(text)}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for number, share in enumerate(shares):
        edge += share
        if point < edge:
            return number
    return len(shares) - 1


def split_numbers(texts: Sequence[str], seed: int) -> np.ndarray:
    """Return the split number of each text, 0 to 2: shape (n,), the same on every machine."""
    return np.array([split_number(text, seed=seed) for text in texts], dtype=np.int64)


def split_examples(examples: Examples, seed: int) -> dict[str, Examples]:
    """Return the rows of each split by its name: 70 % train, 15 % validation, 15 % test, by a hash of the text."""
    numbers = split_numbers(examples.texts, seed)
    return {name: examples.rows(np.flatnonzero(numbers == i)) for i, name in enumerate(SPLITS)}


def check_splits(texts: Sequence[str], labels: Sequence[Any], seed: int) -> list[str]:
    """Return warnings about classes with few rows, and refuse splits that cannot be used.

    Raises
    ------
    DataError
        If a split is empty, or if the labels of the training split cannot be learnt.
    """
    numbers = split_numbers(texts, seed)
    parts = {name: [label for label, n in zip(labels, numbers, strict=True) if n == i] for i, name in enumerate(SPLITS)}
    for name, part in parts.items():
        if not part:
            raise DataError(f"the {name} split of {len(texts)} rows is empty; train on more rows")
    check_labels(parts["train"])
    warnings = [
        f"class {label!r} has {count} {'row' if count == 1 else 'rows'} in {name}: its metrics there are unreliable"
        for name, part in parts.items()
        for label, count in rare_classes(part).items()
    ]
    absent = sorted({str(label) for label in labels} - {str(label) for label in parts["train"]})
    return warnings + [f"class {label!r} has no row in train: it can never be predicted" for label in absent]


def count_conflicting_texts(texts: Sequence[str], labels: Sequence[Any]) -> int:
    """Return how many different texts have more than one label."""
    labels_of_text: dict[str, set[Any]] = {}
    for text, label in zip(texts, labels, strict=True):
        labels_of_text.setdefault(fold_text(text), set()).add(label)
    return sum(len(distinct) > 1 for distinct in labels_of_text.values())
