"""What a whole run will take, from a sample that is encoded where the run would be: on the executors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.columns import without_hidden
from bert_spark.errors import ConfigError, NoInputError
from bert_spark.files import Folder
from bert_spark.sources import read
from bert_spark.spread import input_bytes
from bert_spark.staging import yard_of
from bert_spark.tasks import Task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS_A_TASK = 500
_FOLDER = "estimate"


def estimate(spark: SparkSession, task: Task, rows: int, work: str | None = None) -> str:
    """Encode a sample and return what the whole input would take.

    A first quarter of the sample warms the workers and is not timed; files are written beside the output, measured and
    removed. The input is counted once, without BERT.

    Parameters
    ----------
    rows
        Of the sample: 2,000 or more for each core or GPU of the executors, or some have nothing to do.
    work
        Folder for the sample's files; by default the one that holds the output.

    Raises
    ------
    NoInputError
        When the input holds no records.
    """
    if task.output.path is None:
        raise ConfigError("no output given; pass --output: the sample is written beside it")
    tweets = read(spark, task.source)
    total = tweets.agg(F.count(F.lit(1))).collect()[0][0]
    if not total:
        raise NoInputError(f"{task.source.path!r} holds no records: nothing to estimate")
    share = min(1.0, rows / total)
    sample = tweets.sample(fraction=share, seed=0) if share < 1 else tweets
    staging = yard_of(spark, task.output, work).staging
    try:
        _write(task, sample.sample(fraction=0.25, seed=1), rows // 4, staging)
        started = time.perf_counter()
        _write(task, sample, rows, staging)
        seconds = time.perf_counter() - started
        written = spark.read.parquet(f"{staging.uri}/{_FOLDER}")
        taken, size = written.count(), input_bytes(written) or 0
    finally:
        staging.remove(_FOLDER)
    if not taken:
        raise NoInputError(f"a sample of {rows} of {total:,} records took none; estimate with more rows")
    speed = taken / seconds
    return (
        f"estimate from {taken:,} of {total:,} records: {speed:,.0f} rows/s, {total / speed / 3600:.3g} hours, "
        f"{size / taken * total / 1e9:.3g} GB of output (start-up of Spark and loading the model not counted)"
    )


def _write(task: Task, sample: DataFrame, rows: int, staging: Folder) -> None:
    spread = task.before(sample).repartition(max(1, -(-rows // ROWS_A_TASK)))
    without_hidden(task.add(spread)).write.mode("overwrite").parquet(f"{staging.uri}/{_FOLDER}")
