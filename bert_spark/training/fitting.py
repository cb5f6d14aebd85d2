"""Fit a pipeline on stored vectors and predict labels with it. Never runs BERT."""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark.errors import DataError
from bert_spark.estimators.pipeline_introspection import decision_values, fit_on_vectors
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


def predict_labels(pipeline: Pipeline, part: Examples) -> np.ndarray:
    """Return the label with the highest score of each row, shape (n,)."""
    predicted: np.ndarray = pipeline[-1].classes_[decision_values(pipeline, part.texts, part.vectors).argmax(axis=1)]
    return predicted
