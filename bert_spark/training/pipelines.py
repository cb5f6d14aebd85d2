"""Build the unfitted pipeline: features from BERT, TF-IDF or both, and a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner
from bert_spark.training.config import HeadConfig
from bert_spark.training.heads import build_head


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


def tfidf_features(clean: str) -> Pipeline:
    """Return TF-IDF of words, pairs of words, and groups of 2 to 5 letters within words.

    Texts are cleaned as for BERT: `clean` is `EncoderConfig.clean`.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3, dtype=np.float32)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3, dtype=np.float32)
    return make_pipeline(TextCleaner(clean), FeatureUnion([("words", words), ("letters", letters)]))
