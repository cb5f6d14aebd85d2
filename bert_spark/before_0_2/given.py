"""The old module name `bert_spark.given`, for pickles and joblib files saved before version 0.2."""

from bert_spark.estimators.precomputed import PrecomputedVectors as GivenVectors
from bert_spark.estimators.precomputed import VectorsByText as KnownVectors

__all__ = ["GivenVectors", "KnownVectors"]
