"""Check that a classifier can learn the labels, and count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from bert_spark.errors import DataError

FEW_ROWS = 10  # below this many rows, the metrics of a class are mostly chance


def as_classes(labels: list[Any]) -> list[Any]:
    """Return float or decimal labels as ints if all of them are whole. pandas stores ints with a gap as floats."""
    if not labels or not isinstance(labels[0], float | Decimal):
        return labels
    return [int(label) for label in labels] if all(label % 1 == 0 for label in labels) else labels


def check_labels(labels: Sequence[Any]) -> None:
    """Refuse labels that no classifier can learn, before any costly work.

    Raises
    ------
    DataError
        If there are fewer than two classes, if types are mixed, if labels are numbers that are not whole, or if one is
        blank or has blanks around it.
    """
    fractions = sorted({str(label) for label in labels if isinstance(label, float | Decimal)})
    if fractions:
        raise DataError(
            f"labels are numbers such as {fractions[:3]}; expected classes: choose another column with --label-column, "
            "or write the numbers as groups, as strings"
        )
    kinds = sorted({type(label).__name__ for label in labels})
    if len(kinds) > 1:
        raise DataError(f"labels are of the types {kinds}; expected one: cast the column to string")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"labels hold {len(classes)} class ({classes}); expected two or more: check --label-column")
    if kinds == ["str"]:
        padded = [label for label in classes if label != label.strip() or not label.strip()]
        if padded:
            raise DataError(f"labels {padded} are blank or have blanks around them; set --trim-labels")


def label_shares(labels: Sequence[Any]) -> dict[str, float]:
    """Return label -> its share of the rows."""
    return {str(label): count / len(labels) for label, count in sorted(Counter(map(str, labels)).items())}


def rare_classes(labels: Sequence[Any], few: int = FEW_ROWS) -> dict[str, int]:
    """Return label -> rows, for the classes with fewer than `few` rows."""
    return {str(label): count for label, count in sorted(Counter(labels).items()) if count < few}


def most_frequent_label(labels: Sequence[Any]) -> Any:
    """Return the most frequent label: what a guess without reading the texts would be."""
    values, counts = np.unique(np.asarray(labels), return_counts=True)
    return values[counts.argmax()]
