"""Build the unfitted pipeline: BERT, TF-IDF or both, and a classifier."""

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
    """Return the unfitted pipeline: BERT, TF-IDF or both side by side, and a classifier.

    Parameters
    ----------
    config
        Of the encoder.
    features
        "bert", "tfidf" or "bert+tfidf".
    head
        The classifier, with scaling and calibration.
    labels
        Of the training rows: they decide what class_weight="sqrt" and a calibration come to.
    tfidf_weight
        Factor on the TF-IDF numbers, whose rows have length 1.4; BERT's have 5 to 10.

    Raises
    ------
    ConfigError
        When the classifier does not exist, does not take its options, or has no scores.
    DataError
        When a class has too few rows to calibrate on.
    """
    scaler = [("scaler", StandardScaler())] if head.scale else []
    bert = BertTransformer.from_config(config)
    if features == "bert":
        return Pipeline([("bert", bert), *scaler, ("classifier", build_head(head, labels))])
    arms = [("tfidf", tfidf_features(config.clean))]
    if features == "bert+tfidf":
        arms.append(("bert", Pipeline([("bert", bert), *scaler]) if scaler else bert))
    union = FeatureUnion(arms, transformer_weights={"tfidf": tfidf_weight})
    return Pipeline([("features", union), ("classifier", build_head(head, labels))])


def tfidf_features(clean: str) -> Pipeline:
    """Return TF-IDF over words, pairs of words, and letters within words, of the texts that BERT is given."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3, dtype=np.float32)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3, dtype=np.float32)
    return make_pipeline(TextCleaner(clean), FeatureUnion([("words", words), ("letters", letters)]))
