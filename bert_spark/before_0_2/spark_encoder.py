"""The old module name `bert_spark.spark_encoder`, for pickles and joblib files saved before version 0.2."""

from bert_spark.spark.spark_encoder import SparkEncoder

__all__ = ["SparkEncoder"]
