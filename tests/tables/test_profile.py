"""What a look at the columns of a table says of them."""

from pyspark.sql import functions as F

from bert_spark.tables.profile import profile_columns


def test_there_are_never_more_different_values_than_values(spark):
    keys = spark.range(0, 120, 1, 1).select(F.when(F.col("id") < 100, F.col("id").cast("string")).alias("key"))
    estimate = keys.agg(F.approx_count_distinct("key")).first()[0]
    rows, malformed, (key,) = profile_columns(keys)
    assert estimate > 100
    assert (rows, malformed, key.nulls, key.different) == (120, 0, 20, 100)
