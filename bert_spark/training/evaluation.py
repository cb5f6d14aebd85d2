"""Evaluate a classifier: scikit-learn's metrics as JSON data and as text, and the most confused pairs of classes."""

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
    """Return the metrics of each split: of the model, of the baseline, and of always guessing the most frequent class.

    Parameters
    ----------
    pipeline
        The fitted model.
    parts
        Name of a split -> its rows.
    baseline
        Another fitted pipeline to compare with.

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
        figures[name] = evaluate_predictions(truth, predict_labels(pipeline, part).tolist(), classes)
        figures[f"{name}_majority"] = evaluate_predictions(truth, [majority] * len(truth), classes)
        if baseline is not None:
            figures[f"{name}_tfidf"] = evaluate_predictions(truth, predict_labels(baseline, part).tolist(), classes)
    return figures


def confused_pairs_of_split(pipeline: Pipeline, part: Examples, *, with_texts: bool) -> list[dict[str, Any]]:
    """Return the most confused pairs of a split, see `confused_pairs`. Texts are included only with `with_texts`."""
    predicted = predict_labels(pipeline, part).tolist()
    return confused_pairs(part.labels.tolist(), predicted, part.texts if with_texts else None)


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


def evaluate_predictions(truth: Sequence[Any], predicted: Sequence[Any], labels: Sequence[Any]) -> dict[str, Any]:
    """Return accuracy, F1 scores, metrics by class and the confusion matrix (rows: truth), as values that JSON holds.

    A metric that is undefined, since no row has or gets the label, is 0.
    """
    options: dict[str, Any] = {"labels": labels, "zero_division": 0}
    return {
        "rows": len(truth),
        "accuracy": float(accuracy_score(truth, predicted)),
        "f1_weighted": float(f1_score(truth, predicted, average="weighted", **options)),
        "f1_macro": float(f1_score(truth, predicted, average="macro", **options)),
        "text": classification_report(truth, predicted, **options),
        "by_class": classification_report(truth, predicted, output_dict=True, **options),
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
        "labels": [str(label) for label in labels],
    }
