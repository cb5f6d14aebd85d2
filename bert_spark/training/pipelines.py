"""Build the unfitted pipeline: features from BERT, TF-IDF or both, and a classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.letter_groups import LetterGroupCounts
from bert_spark.estimators.text_cleaner import TextCleaner
from bert_spark.training.config import HeadConfig
from bert_spark.training.heads import build_head

# Where liblinear stops. On 28,000 tweets decision values are then within 0.002 of the optimum: none or one of 40,000
# labels differs. With its default, 1e-4, liblinear takes half as much time again.
BASELINE_TOLERANCE = 0.003


def build_pipeline(
    config: EncoderConfig,
    features: str,
    head: HeadConfig,
    labels: Sequence[Any] = (),
    tfidf_weight: float = 1.0,
) -> Pipeline:
    """Return the unfitted pipeline: features from BERT, TF-IDF or both side by side, and a classifier.

    Parameters
    ----------
    config
        Settings of the encoder.
    features
        "bert", "tfidf" or "bert+tfidf".
    head
        The classifier, with scaling and calibration.
    labels
        Labels of the training rows. ``class_weight="sqrt"`` and the number of calibration folds depend on them.
    tfidf_weight
        Factor applied to the TF-IDF features. Their rows have the Euclidean length 1.4, BERT's vectors 5 to 10.

    Raises
    ------
    ConfigError
        If the classifier does not exist, does not take its options, or has neither decision_function nor
        predict_proba.
    DataError
        If a class has too few rows to calibrate on.
    """
    scaler = [("scaler", StandardScaler())] if head.scale else []
    bert = BertTransformer.from_config(config)
    if features == "bert":
        return Pipeline([("bert", bert), *scaler, ("classifier", build_head(head, labels))])
    branches = [("tfidf", tfidf_features(config.clean))]
    if features == "bert+tfidf":
        branches.append(("bert", Pipeline([("bert", bert), *scaler]) if scaler else bert))
    union = FeatureUnion(branches, transformer_weights={"tfidf": tfidf_weight})
    return Pipeline([("features", union), ("classifier", build_head(head, labels))])


def build_baseline(
    config: EncoderConfig, head: HeadConfig, labels: Sequence[Any] = (), tfidf_weight: float = 1.0
) -> Pipeline:
    """Return the unfitted pipeline to compare with: the same classifier on TF-IDF alone.

    LinearSVC solves the dual problem up to the tolerance BASELINE_TOLERANCE, unless `head` says how it is solved.
    Parameters and errors are those of `build_pipeline`.
    """
    if head.class_name == "sklearn.svm.LinearSVC" and not {"tol", "dual", "penalty", "multi_class"} & set(head.options):
        # the tolerance of the primal problem means something else, and dual="auto" takes it where there are many rows
        head = dataclasses.replace(head, options={**head.options, "tol": BASELINE_TOLERANCE, "dual": True})
    return build_pipeline(config, "tfidf", head, labels, tfidf_weight)


def tfidf_features(clean: str) -> Pipeline:
    """Return TF-IDF of words, pairs of words, and groups of 2 to 5 letters within words.

    Texts are cleaned as for BERT: `clean` is `EncoderConfig.clean`.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3, dtype=np.float32)
    letters = make_pipeline(LetterGroupCounts(ngram_range=(2, 5), min_df=3), TfidfTransformer(sublinear_tf=True))
    return make_pipeline(TextCleaner(clean), FeatureUnion([("words", words), ("letters", letters)]))
