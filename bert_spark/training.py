"""From texts, vectors and labels to a fitted pipeline and its figures on held-out rows. Knows nothing of Spark."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark.errors import DataError
from bert_spark.fitted import decision, fit_on_vectors
from bert_spark.metrics import check_labels, evaluate, majority, rare_classes
from bert_spark.text import fold, split_of

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """Labelled texts with their vectors: all of one length n; vectors float32, (n, width), width 0 without BERT."""

    texts: list[str]
    vectors: np.ndarray
    labels: np.ndarray

    def rows(self, chosen: np.ndarray) -> Examples:
        """Return some rows."""
        return Examples([self.texts[i] for i in chosen], self.vectors[chosen], self.labels[chosen])


class Stopwatch:
    """Seconds by the name of the step they went into."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the block under the name `step`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - start, 1)


def split_numbers(texts: Sequence[str], seed: int) -> np.ndarray:
    """Return each text's split, 0 to 2, shape (n,): the same on every machine, duplicates never on two sides."""
    return np.array([split_of(text, seed=seed) for text in texts], dtype=np.int64)


def split(examples: Examples, seed: int) -> dict[str, Examples]:
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


def conflicting(texts: Sequence[str], labels: Sequence[Any]) -> int:
    """Return how many different texts carry more than one label."""
    seen: dict[str, set[Any]] = {}
    for text, label in zip(texts, labels, strict=True):
        seen.setdefault(fold(text), set()).add(label)
    return sum(len(found) > 1 for found in seen.values())


def fit(pipeline: Pipeline, part: Examples) -> Pipeline:
    """Fit on texts whose vectors are there already, so that BERT does not run again.

    Raises
    ------
    DataError
        With the reason, when the features or the classifier can't be fitted on these rows.
    """
    try:
        return fit_on_vectors(pipeline, part.texts, part.vectors, part.labels)
    except ValueError as err:
        raise DataError(f"the training rows ({len(part.texts)}) can't be fitted: {err}") from err


def predict(pipeline: Pipeline, part: Examples) -> np.ndarray:
    """Return the label of each row, shape (n,): where a class's value is the highest."""
    predicted: np.ndarray = pipeline[-1].classes_[decision(pipeline, part.texts, part.vectors).argmax(axis=1)]
    return predicted


def judge(pipeline: Pipeline, parts: Mapping[str, Examples], baseline: Pipeline | None = None) -> dict[str, Any]:
    """Return the figures of every split: of this model, of the baseline, of always guessing the most frequent class."""
    every = sorted({label for part in parts.values() for label in part.labels.tolist()})
    guess = majority(parts["train"].labels.tolist())
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        truth = part.labels.tolist()
        figures[name] = evaluate(truth, predict(pipeline, part).tolist(), every)
        figures[f"{name}_majority"] = evaluate(truth, [guess] * len(truth), every)
        if baseline is not None:
            figures[f"{name}_tfidf"] = evaluate(truth, predict(baseline, part).tolist(), every)
    return figures


def mistakes(pipeline: Pipeline, part: Examples, *, with_texts: bool) -> list[dict[str, Any]]:
    """Return the most confused pairs of a split; texts are private unless they are asked for."""
    guess = predict(pipeline, part).tolist()
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


def shares(labels: Sequence[Any]) -> dict[str, float]:
    """Return label -> its share of the rows."""
    return {str(label): count / len(labels) for label, count in sorted(Counter(map(str, labels)).items())}
