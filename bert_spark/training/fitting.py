"""Fit a pipeline on vectors that exist already, and predict with it."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark.errors import DataError
from bert_spark.estimators.pipeline_introspection import decision_values, fit_on_vectors
from bert_spark.training.examples import Examples


def fit_pipeline(pipeline: Pipeline, part: Examples) -> Pipeline:
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


def predict_labels(pipeline: Pipeline, part: Examples) -> np.ndarray:
    """Return the label of each row, shape (n,): where a class's value is the highest."""
    predicted: np.ndarray = pipeline[-1].classes_[decision_values(pipeline, part.texts, part.vectors).argmax(axis=1)]
    return predicted
