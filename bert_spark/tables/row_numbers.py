"""Number the records of files in the order of the files. A first pass counts them; nothing is sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.tables.repartitioning import default_parallelism
from bert_spark.tables.schema import HIDDEN_PREFIX

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


ROW_NUMBER = "row_number"
_FILE, _START, _POSITION = (f"{HIDDEN_PREFIX}{name}" for name in ("of_file", "start", "position"))
_SHIFT = f"{HIDDEN_PREFIX}shift"
_MIN_PARTITIONS = "spark.sql.files.minPartitionNum"


def mark_places(df: DataFrame) -> DataFrame:
    """Return what Spark's reader of files returned, with hidden columns of each record's file and part of the file."""
    place = (F.col("_metadata.file_path").alias(_FILE), F.col("_metadata.file_block_start").alias(_START))
    return df.select("*", *place)


def number_records(records: DataFrame, text: Column) -> DataFrame:
    """Return records with their number, from 0: files by their path as text, then records as the file has them.

    Parameters
    ----------
    records
        Of files, with the columns of `mark_places`, which are dropped.
    text
        A column that the counting reads too, so that both passes parse the same records.
    """
    spark = records.sparkSession
    _pin_parts_of_files(spark)
    placed = records.withColumn(_POSITION, F.monotonically_increasing_id())  # ascends within each part of a file
    counts = (F.count(F.lit(1)).alias("rows"), F.min(_POSITION).alias("first"), F.count(text).alias("texts"))
    parts = sorted(placed.groupBy(_FILE, _START).agg(*counts).collect(), key=lambda part: (part[_FILE], part[_START]))
    shifts, before = [], 0
    for part in parts:
        shifts.append((part[_FILE], part[_START], before - part["first"]))
        before += part["rows"]
    known = spark.createDataFrame(shifts, f"{_FILE} string, {_START} long, {_SHIFT} long")
    changed = F.raise_error(F.lit("the input has changed since its records were counted; run again")).cast("long")
    number = F.col(_POSITION) + F.coalesce(F.col(_SHIFT), changed)
    joined = placed.join(F.broadcast(known), [_FILE, _START], "left").withColumn(ROW_NUMBER, number)
    return joined.drop(_FILE, _START, _POSITION, _SHIFT)


def _pin_parts_of_files(spark: SparkSession) -> None:
    """Let Spark cut files into the same parts in both passes, also if executors come or go between them."""
    if spark.conf.get(_MIN_PARTITIONS, None) is None:
        spark.conf.set(_MIN_PARTITIONS, str(default_parallelism(spark)))
