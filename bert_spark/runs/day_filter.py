"""Which records are a day's, and whether a day without any is all there is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.runs.run_record import RunRecord
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.schema import exact_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


DAY_PARTITION = "run_date"


def records_of_day(record: RunRecord, tweets: DataFrame, column: str | None, day: str) -> DataFrame:
    """Return the records of one day; those whose date can't be read belong to none, and are counted."""
    if column is None:
        return tweets
    if column not in tweets.columns:
        raise DataError(f"column {column!r} not found; the table has {tweets.columns}; set --date-column")
    date = exact_column(column)
    kind = tweets.schema[column].dataType
    if isinstance(kind, T.StringType):
        date = F.try_to_timestamp(date).cast("date")
    elif isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        date = date.cast("date")
    elif not isinstance(kind, T.DateType):
        raise DataError(f"column {column!r} is {kind.simpleString()}; --date-column takes dates, timestamps or strings")
    tweets = record.observe(tweets, [F.count_if(date.isNull()).alias("rows_without_date")])
    rows = tweets.where(date == F.lit(day).cast("date"))
    return rows.drop(column) if column == DAY_PARTITION else rows


def is_complete_folder(spark: SparkSession, path: str) -> bool:
    """Tell whether a day without a record is all there is of it: files that are empty, or the mark of a finished job.

    A folder without either, or of folders alone, may be one that is still being written.
    """
    files = spark.read.format("binaryFile").load(path).inputFiles()
    return bool(files) or path_exists(spark, f"{path.rstrip('/')}/_SUCCESS", "binaryFile")
