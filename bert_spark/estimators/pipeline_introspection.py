"""Read a fitted pipeline of texts: its decision values, its encoder's settings, and the layout of its features."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.pipeline import FeatureUnion, Pipeline

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ArtefactError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.precomputed import PrecomputedVectors

_SQL_TYPES = {"U": "string", "O": "string", "i": "bigint", "u": "bigint", "b": "boolean"}


def decision_values(pipeline: Pipeline, texts: list[str], vectors: np.ndarray | None = None) -> np.ndarray:
    """Return the decision-function value of every class: float64, shape (n_texts, n_classes).

    A pipeline without a decision function gives its probabilities.

    Parameters
    ----------
    pipeline
        A fitted pipeline.
    texts
        n_texts texts.
    vectors
        Their embeddings: float32, shape (n_texts, width). None runs the pipeline's own encoder.
    """
    if not len(texts):
        return np.empty((0, len(pipeline[-1].classes_)))
    with temporary_settings(pipeline, **({} if vectors is None else {"encoder": PrecomputedVectors(vectors)})):
        return class_values(pipeline, texts)


def class_values(classifier: Any, X: Any) -> np.ndarray:
    """Return the decision-function value, or else the probability, of every class: float64, shape (n, n_classes)."""
    score = getattr(classifier, "decision_function", None) or classifier.predict_proba
    values = np.asarray(score(X), dtype=np.float64)
    # for two classes scikit-learn returns the value of the second class only
    return np.column_stack([-values, values]) if values.ndim == 1 else values


def bert_transformers_in(pipeline: Any) -> list[BertTransformer]:
    """Return the BertTransformers anywhere inside a pipeline."""
    return [step for step in pipeline.get_params(deep=True).values() if isinstance(step, BertTransformer)]


@contextmanager
def temporary_settings(pipeline: Any, **settings: Any) -> Iterator[None]:
    """Change settings of every BertTransformer in a pipeline within the context, and restore them afterwards."""
    steps = bert_transformers_in(pipeline)
    originals = [{name: getattr(step, name) for name in settings} for step in steps]
    for step in steps:
        step.set_params(**settings)
    try:
        yield
    finally:
        for step, original in zip(steps, originals, strict=True):
            step.set_params(**original)


def fit_on_vectors(pipeline: Pipeline, texts: list[str], vectors: np.ndarray, labels: Any) -> Pipeline:
    """Fit `pipeline` on texts with known embeddings, float32, shape (n_texts, width). BERT does not run."""
    with temporary_settings(pipeline, encoder=PrecomputedVectors(vectors)):
        fitted: Pipeline = pipeline.fit(texts, labels)
    return fitted


def encoder_config_of(pipeline: Any) -> EncoderConfig | None:
    """Return the settings of the pipeline's encoder. None if it has no encoder, as with TF-IDF alone.

    Raises
    ------
    ArtefactError
        If the settings cannot be saved as data, or the pipeline has several different encoders.
    """
    steps = bert_transformers_in(pipeline)
    for step in steps:
        if not isinstance(step.model, str) or step.tokenizer is not None:
            raise ArtefactError(
                "a live model can't be saved by reference; write BertTransformer(model='name or folder')"
            )
        if step.embedding_func is not None:
            raise ArtefactError(
                "embedding_func can't be saved as data; use pooling='cls', 'mean', 'max', 'pooler' or 'flatten'"
            )
    configs = {dataclasses.replace(step.config, device="auto") for step in steps}
    if len(configs) > 1:
        raise ArtefactError(f"the pipeline has {len(configs)} different encoders; an artefact holds one")
    return configs.pop() if configs else None


def label_sql_type(classes: np.ndarray) -> str:
    """Return the SQL type of the labels: "string", "bigint" or "boolean".

    Raises
    ------
    ArtefactError
        If the labels have another type.
    """
    sql_type = _SQL_TYPES.get(classes.dtype.kind)
    if sql_type is None:
        raise ArtefactError(f"labels of dtype {classes.dtype} can't be saved; use strings or integers")
    return sql_type


def feature_layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return the parts of a fitted pipeline's features, in the order of their columns.

    Each part has a "name", the number of its "first" column, and its number of "columns".
    """
    first = pipeline[0]
    parts = first.transformer_list if isinstance(first, FeatureUnion) else [(pipeline.steps[0][0], pipeline[:-1])]
    layout, start = [], 0
    for name, part in parts:
        columns = _column_count(part)
        layout.append({"name": name, "first": start, "columns": columns})
        start += columns
    return layout


def _column_count(step: Any) -> int:
    if isinstance(step, FeatureUnion):
        return sum(_column_count(part) for _, part in step.transformer_list)
    last = step[-1] if isinstance(step, Pipeline) else step
    return _column_count(last) if isinstance(last, FeatureUnion) else len(last.get_feature_names_out())
