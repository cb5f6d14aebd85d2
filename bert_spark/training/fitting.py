"""Fit a pipeline on stored vectors and predict labels with it. Never runs BERT."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from bert_spark.errors import DataError
from bert_spark.estimators.pipeline_introspection import (
    class_values,
    decision_values,
    fit_on_vectors,
    temporary_settings,
)
from bert_spark.estimators.precomputed import PrecomputedVectors
from bert_spark.training.examples import Examples


def fit_pipeline(pipeline: Pipeline, part: Examples) -> Pipeline:
    """Fit a pipeline on rows that have vectors, without running BERT again.

    Raises
    ------
    DataError
        If the features or the classifier cannot be fitted on these rows. The message holds scikit-learn's reason.
    """
    try:
        return fit_on_vectors(pipeline, part.texts, part.vectors, part.labels)
    except ValueError as err:
        raise DataError(f"the training rows ({len(part.texts)}) can't be fitted: {err}") from err


@contextmanager
def convergence_warnings() -> Iterator[list[str]]:
    """Yield a list that gets what scikit-learn warns of in the block: iterations that have not converged, once each."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield messages
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif str(warning.message) not in messages:
            messages.append(str(warning.message))


def fit_and_predict(pipeline: Pipeline, parts: Mapping[str, Examples]) -> dict[str, np.ndarray]:
    """Fit a pipeline on the training rows, and predict the labels of every split.

    The features of each split are computed once: TF-IDF takes longer than the fit.

    Parameters
    ----------
    pipeline
        The pipeline to fit.
    parts
        Name of a split -> its rows; "train" is one of them.

    Returns
    -------
    dict
        Name of a split -> the label with the highest score of each row, shape (n,).

    Raises
    ------
    DataError
        As in `fit_pipeline`.
    """
    extractor, classifier = pipeline[:-1], pipeline[-1]
    train = parts["train"]
    try:
        with temporary_settings(pipeline, encoder=PrecomputedVectors(train.vectors)):
            features = {"train": extractor.fit_transform(train.texts, train.labels)}
        classifier.fit(features["train"], train.labels)
    except ValueError as err:
        raise DataError(f"the training rows ({len(train.texts)}) can't be fitted: {err}") from err
    for name, part in parts.items():
        if name != "train":
            with temporary_settings(pipeline, encoder=PrecomputedVectors(part.vectors)):
                features[name] = extractor.transform(part.texts)
    return {name: classifier.classes_[class_values(classifier, features[name]).argmax(axis=1)] for name in parts}


def predict_labels(pipeline: Pipeline, part: Examples) -> np.ndarray:
    """Return the label with the highest score of each row, shape (n,)."""
    predicted: np.ndarray = pipeline[-1].classes_[decision_values(pipeline, part.texts, part.vectors).argmax(axis=1)]
    return predicted
