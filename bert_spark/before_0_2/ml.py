"""The old module name `bert_spark.ml`, for stages and pipelines of pyspark.ml saved before version 0.2."""

from bert_spark.spark.pyspark_ml import BertEmbedder

__all__ = ["BertEmbedder"]
