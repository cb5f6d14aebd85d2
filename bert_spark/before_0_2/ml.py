"""The name `bert_spark.ml`, which stages and pipelines of pyspark.ml saved before version 0.2 use."""

from bert_spark.spark.pyspark_ml import BertEmbedder

__all__ = ["BertEmbedder"]
