"""Spread rows over tasks by bytes before BERT runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.tables.input_size import input_bytes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_SMALLEST_TASK = 32 << 10  # bytes: about 300 tweets
DEFAULT_PARTITIONS = 200  # tasks for a table of unknown size: Spark's own default after a shuffle


def spread_by_bytes(df: DataFrame, partition_mb: float | None = None, size: int | None = None) -> DataFrame:
    """Spread rows over tasks by bytes: one large compressed file would otherwise be one task.

    Parameters
    ----------
    df
        The input.
    partition_mb
        MB of text per task. By default 256 kB in up to 64 tasks, so that a small table uses all cores; then 1 MB, and
        in more than 1,000 tasks 16 MB: a task has a cost of its own, of about 50 ms.
    size
        Bytes of text in `df`; by default those of its files, which may hold other rows too.
    """
    return df.repartition(task_count(df, partition_mb, size))


def task_count(df: DataFrame, partition_mb: float | None = None, size: int | None = None, cores: int = 1) -> int:
    """Return over how many tasks rows are spread.

    Parameters
    ----------
    df, partition_mb, size
        As in `spread_by_bytes`.
    cores
        A table of less than 256 kB for each of these cores has smaller tasks, down to 32 kB.
    """
    size = input_bytes(df) if size is None else size
    if size is None:
        return DEFAULT_PARTITIONS
    least = 1 if partition_mb is not None else min(cores, -(-size // _SMALLEST_TASK))
    return max(least, partition_count(size, partition_mb))


def default_parallelism(spark: SparkSession) -> int:
    """Return how many tasks Spark makes by default, the cores of its executors. Spark Connect offers no other way."""
    parts = spark.range(1 << 20).select(F.spark_partition_id().alias("part"))
    return int(parts.agg(F.max("part")).collect()[0][0]) + 1


def partition_count(size: int, partition_mb: float | None = None) -> int:
    """Return the number of tasks for `size` bytes of text; `partition_mb` as in `spread_by_bytes`."""
    if partition_mb is not None:
        return max(1, -(-size // int(partition_mb * 1e6)))
    small, medium, large = (-(-size // bytes_per_task) for bytes_per_task in (256 << 10, 1 << 20, 16 << 20))
    return max(1, min(small, 64), min(medium, 1000), large)
