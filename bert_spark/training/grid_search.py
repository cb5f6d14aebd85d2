"""Evaluate a grid of settings by cross-validation on the training split. Never looks at held-out rows."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import ParameterGrid, StratifiedGroupKFold

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.estimators.pipeline_introspection import temporary_settings
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.training.config import HeadConfig, SearchConfig
from bert_spark.training.examples import Examples
from bert_spark.training.heads import build_head
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import fold_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """One point of the grid with its cross-validated scores, which are means over the folds."""

    features: str
    pooling: str
    C: float
    class_weight: str
    f1_weighted: float = 0.0
    accuracy: float = 0.0

    def head(self, base: HeadConfig) -> HeadConfig:
        """Return `base` with the candidate's C and class weight."""
        weight = None if self.class_weight == "none" else self.class_weight
        return dataclasses.replace(base, options={**base.options, "C": self.C, "class_weight": weight})

    def encoder(self, base: EncoderConfig) -> EncoderConfig:
        """Return `base` with the candidate's pooling."""
        return dataclasses.replace(base, pooling=self.pooling)


def search_grid(
    part: Examples,
    encoder: EncoderConfig,
    head: HeadConfig,
    grid: SearchConfig,
    features: str,
    base: EncoderConfig | None = None,
    tfidf_weight: float = 1.0,
) -> list[Candidate]:
    """Return every candidate with its scores, the best weighted F1 first.

    "bert+tfidf" is tried with the pooling that is best for BERT alone. BERT alone and TF-IDF alone are tried as well,
    to show whether the union is better than either.

    Parameters
    ----------
    part
        The training split. Its vectors hold every pooling of the grid.
    encoder
        Settings of the encoder that computed the vectors.
    head
        The classifier.
    grid
        What to try.
    features
        "bert", "tfidf" or "bert+tfidf".
    base
        Settings that each candidate has besides its pooling; by default those of `encoder`.
    tfidf_weight
        Factor applied to the TF-IDF features.

    Raises
    ------
    DataError
        If the rows cannot be cut into folds.
    """
    base = base or encoder
    validation = _CrossValidation(part, head, grid, tfidf_weight, list(_folds(part, grid)))
    vectors = VectorsByText(part.texts, part.vectors, encoder) if features != "tfidf" else None
    candidates: list[Candidate] = []
    if features != "tfidf":
        for pooling in grid.pooling_list:
            candidates += validation.score("bert", dataclasses.replace(base, pooling=pooling), vectors)
    if features != "bert":
        candidates += validation.score("tfidf", encoder, None)
    if features == "bert+tfidf":
        best = max((one for one in candidates if one.features == "bert"), key=lambda one: one.f1_weighted)
        candidates += validation.score("bert+tfidf", best.encoder(base), vectors)
    return sorted(candidates, key=lambda one: -one.f1_weighted)


def grid_points(grid: SearchConfig) -> list[dict[str, Any]]:
    """Return every pair of C and class weight, as keyword arguments of `Candidate`."""
    return list(ParameterGrid({"C": grid.C_list, "class_weight": grid.class_weight_list}))


def _folds(part: Examples, grid: SearchConfig) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the row numbers to fit on and to evaluate on. Texts that fold to the same string are on the same side."""
    group_numbers: dict[str, int] = {}
    groups = [group_numbers.setdefault(fold_text(text), len(group_numbers)) for text in part.texts]
    splitter = StratifiedGroupKFold(grid.folds, shuffle=True, random_state=0)
    try:
        yield from splitter.split(np.zeros(len(groups)), part.labels, groups)
    except ValueError as err:
        raise DataError(f"the training rows ({len(groups)}) can't be cut into {grid.folds} folds: {err}") from err


@dataclass(frozen=True)
class _CrossValidation:
    """The rows, the folds and the classifier that all candidates of a grid have in common."""

    part: Examples
    base_head: HeadConfig
    grid: SearchConfig
    tfidf_weight: float
    folds: list[tuple[np.ndarray, np.ndarray]]

    def score(self, features: str, encoder: EncoderConfig, vectors: VectorsByText | None) -> list[Candidate]:
        """Score every classifier of the grid on one kind of features, which are computed once a fold."""
        candidates = [Candidate(features, encoder.pooling, **point) for point in grid_points(self.grid)]
        labels = self.part.labels.tolist()
        heads = [build_head(one.head(self.base_head), labels) for one in candidates]
        scores = np.zeros((len(self.folds), len(candidates), 2))
        for number, (fit_on, evaluate_on) in enumerate(self.folds):
            pipeline = build_pipeline(encoder, features, self.base_head, labels, self.tfidf_weight)[:-1]
            with temporary_settings(pipeline, encoder=vectors):
                train_features = pipeline.fit_transform([self.part.texts[i] for i in fit_on])
                test_features = pipeline.transform([self.part.texts[i] for i in evaluate_on])
            truth = self.part.labels[evaluate_on]
            for i, head in enumerate(heads):
                predicted = clone(head).fit(train_features, self.part.labels[fit_on]).predict(test_features)
                f1 = f1_score(truth, predicted, average="weighted", zero_division=0)
                scores[number, i] = f1, accuracy_score(truth, predicted)
            logger.info("%s %s: fold %d of %d done", features, encoder.pooling, number + 1, len(self.folds))
        return [
            dataclasses.replace(one, f1_weighted=float(f1), accuracy=float(accuracy))
            for one, (f1, accuracy) in zip(candidates, scores.mean(axis=0), strict=True)
        ]
