"""How good is a classifier on rows it has not seen: scikit-learn's metrics as data and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from bert_spark.errors import DataError

FEW = 10  # rows below which a class's figures say little


def evaluate(truth: Sequence[Any], guess: Sequence[Any], labels: Sequence[Any]) -> dict[str, Any]:
    """Return accuracy, F1 scores, the report by class and the confusion matrix (rows: truth), as JSON takes them."""
    return {
        "rows": len(truth),
        "accuracy": float(accuracy_score(truth, guess)),
        "f1_weighted": float(f1_score(truth, guess, labels=labels, average="weighted", zero_division=0)),
        "f1_macro": float(f1_score(truth, guess, labels=labels, average="macro", zero_division=0)),
        "text": report_text(truth, guess, labels),
        "by_class": classification_report(truth, guess, labels=labels, output_dict=True, zero_division=0),
        "confusion": confusion_matrix(truth, guess, labels=labels).tolist(),
        "labels": [str(label) for label in labels],
    }


def report_text(truth: Sequence[Any], guess: Sequence[Any], labels: Sequence[Any]) -> str:
    """Return scikit-learn's classification report."""
    text: str = classification_report(truth, guess, labels=labels, zero_division=0)
    return text


def check_labels(labels: Sequence[Any]) -> None:
    """Refuse labels no classifier can learn from, before any costly work.

    Raises
    ------
    DataError
        For fewer than two classes, mixed types, or labels that are blank or differ in surrounding blanks only.
    """
    kinds = sorted({type(label).__name__ for label in labels})
    if len(kinds) > 1:
        raise DataError(f"labels are of the types {kinds}; expected one: cast the column to string")
    classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(f"labels hold {len(classes)} class ({classes}); expected two or more: check --label-column")
    if kinds == ["str"]:
        padded = [label for label in classes if label != label.strip() or not label.strip()]
        if padded:
            raise DataError(f"labels {padded} are blank or have blanks around them; trim the column first")


def rare_classes(labels: Sequence[Any], few: int = FEW) -> dict[str, int]:
    """Return the classes with fewer than `few` rows, and their counts."""
    return {str(label): count for label, count in sorted(Counter(labels).items()) if count < few}


def majority(labels: Sequence[Any]) -> Any:
    """Return the most frequent label: the guess of somebody who has not read the texts."""
    values, counts = np.unique(np.asarray(labels), return_counts=True)
    return values[counts.argmax()]
