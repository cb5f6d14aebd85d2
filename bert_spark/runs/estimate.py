"""Estimate what a whole run will take, from a sample that the executors encode. Leaves no file behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.errors import NoInputError
from bert_spark.runs.settings_checks import check_estimate
from bert_spark.runs.staging_area import staging_area_for
from bert_spark.runs.task import Task
from bert_spark.storage import Folder
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.output_address import check_output_address
from bert_spark.tables.repartitioning import default_parallelism
from bert_spark.tables.schema import drop_hidden
from bert_spark.tables.writers import overwrite_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ROWS_PER_TASK = 500
_SAMPLE_FOLDER, _ENCODED_FOLDER = "estimate-sample", "estimate"


@dataclass(frozen=True)
class _SampleTiming:
    """What one sample took: its rows, seconds of reading and of encoding, and bytes of output."""

    rows: int
    reading_s: float
    encoding_s: float
    output_bytes: int


def estimate_run(spark: SparkSession, task: Task, rows: int, work: str | None = None) -> str:
    """Encode a sample and return what the whole input would take.

    The input is read twice without BERT: once to count it and once, timed, to write the sample beside the output.
    Encoding is timed on that copy, so only encoding is multiplied by the share of the sample. A quarter of the sample
    is encoded first to warm up the workers.

    Parameters
    ----------
    spark
        The session.
    task
        The task of the whole run.
    rows
        Size of the sample. With fewer than 2,000 rows for each core or GPU of the executors, some have nothing to do.
    work
        Folder for the sample's files; by default the one that holds the output.

    Raises
    ------
    ConfigError
        If there is no output, or the input's path contains `{run_date}`.
    NoInputError
        If the input or the sample holds no records.
    """
    check_output_address(task.output, task.source)
    check_estimate(task.source)
    tweets = task.read(spark)
    total = tweets.agg(F.count(F.lit(1))).collect()[0][0]
    if not total:
        raise NoInputError(f"{task.source.path!r} holds no records: nothing to estimate")
    sample = tweets.sample(fraction=rows / total, seed=0) if rows < total else tweets
    staging = staging_area_for(spark, task.output, work).staging
    try:
        timing = _time_sample(spark, task, sample, rows, staging)
    finally:
        staging.remove(_SAMPLE_FOLDER)
        staging.remove(_ENCODED_FOLDER)
    return _estimate_text(timing, total)


def _time_sample(
    spark: SparkSession, task: Task, sample: DataFrame, expected_rows: int, staging: Folder
) -> _SampleTiming:
    """Write the sample and encode it, timing both."""
    sample_path, encoded_path = f"{staging.uri}/{_SAMPLE_FOLDER}", f"{staging.uri}/{_ENCODED_FOLDER}"
    tasks = -(-expected_rows // ROWS_PER_TASK)
    reading_s = _timed_write(task.spread(sample, tasks), sample_path)
    sample = spark.read.parquet(sample_path)
    rows = sample.count()
    if not rows:
        raise NoInputError(f"a random sample of about {expected_rows:,} records is empty; pass a larger --estimate")
    # With fewer warm-up tasks than cores, some workers would load their model in the timed part.
    cores = default_parallelism(spark)
    _timed_write(_encoded(task, sample.limit(max(cores, rows // 4)), cores), encoded_path)
    encoding_s = _timed_write(_encoded(task, sample, tasks), encoded_path)
    output_bytes = input_bytes(spark.read.parquet(encoded_path)) or 0
    return _SampleTiming(rows, reading_s, encoding_s, output_bytes)


def _estimate_text(timing: _SampleTiming, total: int) -> str:
    hours = (timing.reading_s + timing.encoding_s * total / timing.rows) / 3600
    return (
        f"estimate for all of the input, from {timing.rows:,} of {total:,} records: "
        f"{timing.rows / timing.encoding_s:,.0f} rows/s, {hours:.3g} hours with {timing.reading_s:,.1f} s of reading, "
        f"{timing.output_bytes / timing.rows * total / 1e9:.3g} GB of output "
        "(start-up of Spark and loading the model not counted)"
    )


def _encoded(task: Task, rows: DataFrame, tasks: int) -> DataFrame:
    return drop_hidden(task.transform(rows.repartition(tasks)))


def _timed_write(rows: DataFrame, path: str) -> float:
    """Write rows and return how many seconds it took."""
    started = time.perf_counter()
    overwrite_files(rows, path)
    return time.perf_counter() - started
