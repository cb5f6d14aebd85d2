"""What a whole run will take, from a sample that is encoded where the run would be: on the executors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.errors import ConfigError, NoInputError
from bert_spark.runs.staging_area import staging_area_for
from bert_spark.runs.task import Task
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.readers import read_input
from bert_spark.tables.schema import drop_hidden

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ROWS_PER_TASK = 500
_SAMPLE_FOLDER, _ENCODED_FOLDER = "estimate-sample", "estimate"


def estimate_run(spark: SparkSession, task: Task, rows: int, work: str | None = None) -> str:
    """Encode a sample and return what all of the input would take.

    The input is read twice without BERT: counted, and once more, timed, for the sample, which is written beside the
    output. Encoding is timed on that copy, so that only it is multiplied; a quarter of it warms the workers before.

    Parameters
    ----------
    rows
        Of the sample: 2,000 or more for each core or GPU of the executors, or some have nothing to do.
    work
        Folder for the sample's files; by default the one that holds the output.

    Raises
    ------
    ConfigError
        When there is no output, or the input's path changes by the day.
    NoInputError
        When the input holds no records.
    """
    if task.output.path is None:
        raise ConfigError("no output given; pass --output: the sample is written beside it")
    if "{run_date}" in str(task.source.path):
        raise ConfigError(f"--estimate got --input {task.source.path!r}; write a day in place of {{run_date}}, or *")
    tweets = read_input(spark, task.source)
    total = tweets.agg(F.count(F.lit(1))).collect()[0][0]
    if not total:
        raise NoInputError(f"{task.source.path!r} holds no records: nothing to estimate")
    tasks = -(-rows // ROWS_PER_TASK)
    sample = tweets.sample(fraction=rows / total, seed=0) if rows < total else tweets
    staging = staging_area_for(spark, task.output, work).staging
    staged, encoded = f"{staging.uri}/{_SAMPLE_FOLDER}", f"{staging.uri}/{_ENCODED_FOLDER}"
    try:
        reading = _timed_write(task.prepare(sample).repartition(tasks), staged)
        sample = spark.read.parquet(staged)
        taken = sample.count()
        if not taken:
            raise NoInputError(f"a sample of {rows} of {total:,} records took none; estimate with more rows")
        cores = _default_slots(spark)  # as many tasks, or a worker loads its model in the timed part
        _timed_write(_encoded(task, sample.limit(max(cores, taken // 4)), cores), encoded)
        encoding = _timed_write(_encoded(task, sample, tasks), encoded)
        size = input_bytes(spark.read.parquet(encoded)) or 0
    finally:
        staging.remove(_SAMPLE_FOLDER)
        staging.remove(_ENCODED_FOLDER)
    hours = (reading + encoding * total / taken) / 3600
    return (
        f"estimate for all of the input, from {taken:,} of {total:,} records: {taken / encoding:,.0f} rows/s, "
        f"{hours:.3g} hours with {reading:,.1f} s of reading, {size / taken * total / 1e9:.3g} GB of output "
        "(start-up of Spark and loading the model not counted)"
    )


def _encoded(task: Task, rows: DataFrame, tasks: int) -> DataFrame:
    return drop_hidden(task.transform(rows.repartition(tasks)))


def _timed_write(rows: DataFrame, path: str) -> float:
    """Write rows; return the seconds it took."""
    started = time.perf_counter()
    rows.write.mode("overwrite").parquet(path)
    return time.perf_counter() - started


def _default_slots(spark: SparkSession) -> int:
    """Return how many tasks Spark makes by default: the cores of its executors. Connect does not tell otherwise."""
    parts = spark.range(1 << 20).select(F.spark_partition_id().alias("part"))
    return int(parts.agg(F.max("part")).collect()[0][0]) + 1
