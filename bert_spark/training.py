"""From texts, vectors and labels to a fitted pipeline and its figures on held-out rows. Knows nothing of Spark."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from bert_spark.artefact import decision
from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, DataError
from bert_spark.jobconf import HeadConfig
from bert_spark.metrics import check_labels, evaluate, majority, rare_classes
from bert_spark.text import fold, split_of
from bert_spark.transformer import BertTransformer, TextCleaner

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """Labelled texts with their vectors: all of one length n; vectors float32, shape (n, width)."""

    texts: list[str]
    vectors: np.ndarray
    labels: np.ndarray

    def rows(self, chosen: np.ndarray) -> Examples:
        """Return some rows."""
        return Examples([self.texts[i] for i in chosen], self.vectors[chosen], self.labels[chosen])


def build_pipeline(config: EncoderConfig, features: str, head: HeadConfig) -> Pipeline:
    """Return the unfitted pipeline: BERT, or BERT beside TF-IDF, and a classifier.

    Raises
    ------
    ConfigError
        When the classifier does not exist, does not take its options, or has no scores.
    """
    bert = BertTransformer.from_config(config)
    tfidf = make_pipeline(TextCleaner(config.clean), TfidfVectorizer(sublinear_tf=True, min_df=2))
    first = bert if features == "bert" else FeatureUnion([("tfidf", tfidf), ("bert", bert)])
    return Pipeline([("features", first), ("classifier", build_head(head))])


def build_head(head: HeadConfig) -> Any:
    """Return the classifier that a HeadConfig names."""
    module, _, name = head.name.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
        classifier = kind(**head.options)
    except (ImportError, AttributeError, TypeError) as err:
        raise ConfigError(f"head {head.name!r} with options {head.options}: {err}") from err
    if not any(hasattr(classifier, method) for method in ("decision_function", "predict_proba")):
        raise ConfigError(f"head {head.name!r} has neither decision_function nor predict_proba; expected a classifier")
    return classifier


def split(examples: Examples, seed: int) -> dict[str, Examples]:
    """Split 70 / 15 / 15 by a hash of the folded text: the same on every machine, duplicates never on two sides."""
    number = np.array([split_of(text, seed=seed) for text in examples.texts])
    return {name: examples.rows(np.flatnonzero(number == i)) for i, name in enumerate(SPLITS)}


def check_splits(parts: Mapping[str, Examples]) -> list[str]:
    """Return warnings about classes with few rows; refuse splits that can't be trained on or judged by.

    Raises
    ------
    DataError
        When a split is empty, or training holds fewer than two classes.
    """
    for name, part in parts.items():
        if not part.texts:
            raise DataError(
                f"the {name} split is empty; give more rows than {sum(len(p.texts) for p in parts.values())}"
            )
    check_labels(parts["train"].labels.tolist())
    warnings = [
        f"class {label!r} has {count} rows in {name}: its figures say little"
        for name, part in parts.items()
        for label, count in rare_classes(part.labels.tolist()).items()
    ]
    absent = sorted(
        {str(label) for part in parts.values() for label in part.labels} - {str(x) for x in parts["train"].labels}
    )
    return warnings + [f"class {label!r} has no row in train: it can never be predicted" for label in absent]


def conflicting(examples: Examples) -> int:
    """Return how many different texts carry more than one label."""
    seen: dict[str, set[Any]] = {}
    for text, label in zip(examples.texts, examples.labels.tolist(), strict=True):
        seen.setdefault(fold(text), set()).add(label)
    return sum(len(labels) > 1 for labels in seen.values())


def judge(pipeline: Pipeline, parts: Mapping[str, Examples]) -> dict[str, Any]:
    """Return the metrics of every split, and those of always guessing the most frequent class."""
    every = sorted({label for part in parts.values() for label in part.labels.tolist()})
    guess = majority(parts["train"].labels.tolist())
    figures: dict[str, Any] = {}
    for name, part in parts.items():
        predicted = pipeline[-1].classes_[decision(pipeline, part.texts, part.vectors).argmax(axis=1)]
        figures[name] = evaluate(part.labels.tolist(), predicted.tolist(), every)
        figures[f"{name}_majority"] = evaluate(part.labels.tolist(), [guess] * len(part.labels), every)
    return figures
