"""Figures of a classifier on rows it has not seen: scikit-learn's metrics as data and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score
from sklearn.pipeline import Pipeline

from bert_spark.training.examples import Examples
from bert_spark.training.fitting import predict_labels
from bert_spark.training.labels import most_frequent_label


def evaluate_splits(
    pipeline: Pipeline, parts: Mapping[str, Examples], baseline: Pipeline | None = None
) -> dict[str, Any]:
    """Return the figures of every split: of this model, of the baseline, of always guessing the most frequent class."""
    every = sorted({label for part in parts.values() for label in part.labels.tolist()})
    guess = most_frequent_label(parts["train"].labels.tolist())
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        truth = part.labels.tolist()
        figures[name] = evaluate_predictions(truth, predict_labels(pipeline, part).tolist(), every)
        figures[f"{name}_majority"] = evaluate_predictions(truth, [guess] * len(truth), every)
        if baseline is not None:
            figures[f"{name}_tfidf"] = evaluate_predictions(truth, predict_labels(baseline, part).tolist(), every)
    return figures


def confused_pairs_of_split(pipeline: Pipeline, part: Examples, *, with_texts: bool) -> list[dict[str, Any]]:
    """Return the most confused pairs of a split; texts are private unless they are asked for."""
    guess = predict_labels(pipeline, part).tolist()
    return confused_pairs(part.labels.tolist(), guess, part.texts if with_texts else None)


def confused_pairs(
    truth: Sequence[Any], guess: Sequence[Any], texts: Sequence[str] | None, most: int = 10
) -> list[dict[str, Any]]:
    """Return the most frequent mistakes: true and predicted label, rows, and three texts each where they are given."""
    counts = Counter((t, g) for t, g in zip(truth, guess, strict=True) if t != g)
    pairs = []
    for (true, predicted), count in counts.most_common(most):
        pair: dict[str, Any] = {"true": str(true), "predicted": str(predicted), "rows": count}
        if texts is not None:
            rows = zip(texts, truth, guess, strict=True)
            pair["texts"] = [text for text, t, g in rows if (t, g) == (true, predicted)][:3]
        pairs.append(pair)
    return pairs


def evaluate_predictions(truth: Sequence[Any], guess: Sequence[Any], labels: Sequence[Any]) -> dict[str, Any]:
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
