"""The name `bert_spark.spark_encoder`, which pickles and joblib files saved before version 0.2 use."""

from bert_spark.spark.spark_encoder import SparkEncoder

__all__ = ["SparkEncoder"]
