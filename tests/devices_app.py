"""Run on the cluster by test_cluster.py: one application, two embeddings of one table. Arguments: model, output."""

import sys

from pyspark.sql import SparkSession

from bert_spark import EncoderConfig, with_embedding

spark = SparkSession.builder.getOrCreate()
model, output = sys.argv[1:]
table = spark.range(0, 2000, 1, 200).selectExpr("id", "concat('tweet ', id) as text")
for job in ("one", "two"):
    embedded = table.transform(with_embedding(EncoderConfig(model=model)))
    embedded.write.parquet(f"{output}/{job}")
spark.stop()
