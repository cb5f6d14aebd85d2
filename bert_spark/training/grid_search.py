"""A small grid of settings, judged by cross-validation on the training split alone. Knows nothing of Spark."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass

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
    """One point of the grid, and what cross-validation says of it: means over the folds."""

    features: str
    pooling: str
    C: float
    class_weight: str
    f1_weighted: float = 0.0
    accuracy: float = 0.0

    def head(self, base: HeadConfig) -> HeadConfig:
        """Return the settings of the classifier."""
        weight = None if self.class_weight == "none" else self.class_weight
        return dataclasses.replace(base, options={**base.options, "C": self.C, "class_weight": weight})

    def encoder(self, base: EncoderConfig) -> EncoderConfig:
        """Return the settings of the encoder."""
        return dataclasses.replace(base, pooling=self.pooling)


def search_grid(
    part: Examples, made_with: EncoderConfig, head: HeadConfig, grid: SearchConfig, features: str
) -> list[Candidate]:
    """Return every candidate with its scores, the best first.

    BERT beside TF-IDF is tried with the pooling that is best for BERT alone, and its two arms are tried too: whether
    the union is better than either is what one wants to know.

    Parameters
    ----------
    part
        The training split; its vectors hold every pooling of the grid.
    made_with
        The settings of the encoder that made the vectors.
    head, grid
        The classifier, and what to try of it.
    features
        "bert", "tfidf" or "bert+tfidf".
    """
    vectors = VectorsByText(part.texts, part.vectors, made_with.pooling) if features != "tfidf" else None
    folds = list(_folds(part, grid))
    done: list[Candidate] = []
    if features != "tfidf":
        for pooling in grid.pooling_list:
            done += _score_candidates(
                "bert", dataclasses.replace(made_with, pooling=pooling), part, vectors, head, grid, folds
            )
    if features != "bert":
        done += _score_candidates("tfidf", made_with, part, None, head, grid, folds)
    if features == "bert+tfidf":
        best = max((one for one in done if one.features == "bert"), key=lambda one: one.f1_weighted)
        config = dataclasses.replace(made_with, pooling=best.pooling)
        done += _score_candidates("bert+tfidf", config, part, vectors, head, grid, folds)
    return sorted(done, key=lambda one: -one.f1_weighted)


def _folds(part: Examples, grid: SearchConfig) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield row numbers to fit on and to judge by; texts that are the same after folding stay on one side."""
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(fold_text(text), len(numbers)) for text in part.texts]
    splitter = StratifiedGroupKFold(grid.folds, shuffle=True, random_state=0)
    try:
        yield from splitter.split(np.zeros(len(groups)), part.labels, groups)
    except ValueError as err:
        raise DataError(f"the training rows ({len(groups)}) can't be cut into {grid.folds} folds: {err}") from err


def _score_candidates(
    features: str,
    config: EncoderConfig,
    part: Examples,
    vectors: VectorsByText | None,
    head: HeadConfig,
    grid: SearchConfig,
    folds: list[tuple[np.ndarray, np.ndarray]],
) -> list[Candidate]:
    """Score every classifier on one kind of features, which are made once a fold."""
    points = list(ParameterGrid({"C": grid.C_list, "class_weight": grid.class_weight_list}))
    candidates = [Candidate(features, config.pooling, **point) for point in points]
    scores = np.zeros((len(folds), len(points), 2))
    labels = part.labels.tolist()
    heads = [build_head(one.head(head), labels) for one in candidates]
    for number, (fit_on, judge_by) in enumerate(folds):
        pipeline = build_pipeline(config, features, head, labels, grid.tfidf_weight)[:-1]
        with temporary_settings(pipeline, encoder=vectors):
            seen = pipeline.fit_transform([part.texts[i] for i in fit_on])
            unseen = pipeline.transform([part.texts[i] for i in judge_by])
        for place, unfitted in enumerate(heads):
            guess = clone(unfitted).fit(seen, part.labels[fit_on]).predict(unseen)
            truth = part.labels[judge_by]
            f1 = f1_score(truth, guess, average="weighted", zero_division=0)
            scores[number, place] = f1, accuracy_score(truth, guess)
        logger.info("%s %s: fold %d of %d done", features, config.pooling, number + 1, len(folds))
    means = scores.mean(axis=0)
    return [
        dataclasses.replace(one, f1_weighted=float(f1), accuracy=float(accuracy))
        for one, (f1, accuracy) in zip(candidates, means, strict=True)
    ]
