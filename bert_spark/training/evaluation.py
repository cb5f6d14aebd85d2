"""Evaluate a classifier: scikit-learn's metrics as JSON data and as text, and the most confused pairs of classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix

from bert_spark.training.examples import Examples
from bert_spark.training.labels import most_frequent_label


def evaluate_splits(
    parts: Mapping[str, Examples],
    predicted: Mapping[str, np.ndarray],
    baseline: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Return the metrics of each split: of the model, of the baseline, and of always guessing the most frequent class.

    Parameters
    ----------
    parts
        Name of a split -> its rows.
    predicted
        Name of a split -> the labels that the model predicts.
    baseline
        The same of another model to compare with.

    Returns
    -------
    dict
        Metrics as `evaluate_predictions` returns them: of the model under the split's name, of the guess under
        ``<split>_majority``, of the baseline under ``<split>_tfidf``.
    """
    classes = sorted({label for part in parts.values() for label in part.labels.tolist()})
    majority = most_frequent_label(parts["train"].labels.tolist())
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        truth = part.labels.tolist()
        figures[name] = evaluate_predictions(truth, predicted[name].tolist(), classes)
        figures[f"{name}_majority"] = evaluate_predictions(truth, [majority] * len(truth), classes)
        if baseline is not None:
            figures[f"{name}_tfidf"] = evaluate_predictions(truth, baseline[name].tolist(), classes)
    return figures


def confused_pairs(
    truth: Sequence[Any], predicted: Sequence[Any], texts: Sequence[str] | None, limit: int = 10
) -> list[dict[str, Any]]:
    """Return the most frequent mistakes, at most `limit` of them.

    Each one has the keys "true", "predicted" and "rows" (how often). If `texts` is not None, it also has "texts", at
    most three of them.
    """
    counts = Counter((t, p) for t, p in zip(truth, predicted, strict=True) if t != p)
    pairs = []
    for (true_label, wrong_label), count in counts.most_common(limit):
        pair: dict[str, Any] = {"true": str(true_label), "predicted": str(wrong_label), "rows": count}
        if texts is not None:
            rows = zip(texts, truth, predicted, strict=True)
            pair["texts"] = [text for text, t, p in rows if (t, p) == (true_label, wrong_label)][:3]
        pairs.append(pair)
    return pairs


def evaluate_counts(counts: Mapping[tuple[Any, Any], int], labels: Sequence[Any]) -> dict[str, Any]:
    """Return the metrics of `evaluate_predictions` for rows that are counted by their pair of labels.

    Parameters
    ----------
    counts
        (true label, predicted label) -> rows. A row whose true label is not in `labels` counts as wrong.
    labels
        The classes.

    Returns
    -------
    dict
        The metrics, and as "majority_accuracy" that of always guessing the most frequent class. Only "rows" if there
        are none.
    """
    if not counts:
        return {"rows": 0}
    truth, predicted = ([pair[n] for pair in counts] for n in (0, 1))
    rows_of_label = Counter[Any]()
    for (label, _), rows in counts.items():
        rows_of_label[label] += rows if label in labels else 0
    figures = evaluate_predictions(truth, predicted, labels, list(counts.values()))
    return figures | {"majority_accuracy": max(rows_of_label.values()) / figures["rows"]}


def evaluate_predictions(
    truth: Sequence[Any], predicted: Sequence[Any], labels: Sequence[Any], weights: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return accuracy, F1 scores, metrics by class and the confusion matrix (rows: truth), as values that JSON holds.

    A metric that is undefined, since no row has or gets the label, is 0.

    Parameters
    ----------
    truth, predicted
        The labels of each row.
    labels
        The classes, in the order of the matrix.
    weights
        How many rows each pair of labels stands for; by default one.
    """
    if weights is None:  # a few hundred different pairs stand for all rows
        counts = Counter(zip(truth, predicted, strict=True))
        truth, predicted, weights = [pair[0] for pair in counts], [pair[1] for pair in counts], list(counts.values())
    number = {label: i for i, label in enumerate(labels)}  # scikit-learn sorts strings again for each metric
    true_numbers, numbers = ([number.get(label, -1) for label in column] for column in (truth, predicted))
    names, classes = [str(label) for label in labels], list(range(len(labels)))
    weighted = {"sample_weight": np.asarray(weights, dtype=np.int64)}
    options: dict[str, Any] = {"labels": classes, "target_names": names, "zero_division": 0, **weighted}
    by_class = classification_report(true_numbers, numbers, output_dict=True, **options)
    text = classification_report(true_numbers, numbers, **options)
    return {
        "rows": int(sum(weights)),
        "accuracy": float(accuracy_score(true_numbers, numbers, **weighted)),
        "f1_weighted": float(by_class["weighted avg"]["f1-score"]),
        "f1_macro": float(by_class["macro avg"]["f1-score"]),
        "text": re.sub(r"(\d+)\.0$", r"  \1", text, flags=re.MULTILINE),
        "by_class": by_class,
        "confusion": confusion_matrix(true_numbers, numbers, labels=classes, **weighted).tolist(),
        "labels": names,
    }
