"""Decide which input and which records belong to a day, and whether an input without a record is a complete day."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.runs.date_format import parsed_date
from bert_spark.runs.run_record import RunRecord
from bert_spark.tables.config import DATE_PLACEHOLDER, InputConfig
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.references import find_columns, path_column, path_type
from bert_spark.tables.repartitioning import partition_count
from bert_spark.tables.schema import table_columns, usable_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


DAY_PARTITION = "run_date"
_TASKS_WORTH_COUNTING = 8


def input_of_day(source: InputConfig, day: str) -> InputConfig:
    """Return the input with the day in its path."""
    return dataclasses.replace(source, path=str(source.path).replace(DATE_PLACEHOLDER, day))


def records_of_day(
    record: RunRecord, tweets: DataFrame, date_column: str | None, day: str, date_format: str | None = None
) -> DataFrame:
    """Return the records of one day: all of them without a date column.

    A record whose date is missing or cannot be parsed belongs to no day. `record` counts such records as
    "rows_without_date", those with the date of another day as "rows_of_other_days", and all of them as "rows_read".

    Raises
    ------
    DataError
        If the date column does not exist, or holds neither dates, timestamps nor strings.
    ConfigError
        If Spark cannot read dates of this format.
    """
    if date_column is None:
        return tweets
    date = _date_of(tweets, date_column, date_format)
    is_of_day = date == F.lit(day).cast("date")
    counts = {
        "rows_read": F.count(F.lit(1)),
        "rows_without_date": F.count_if(date.isNull()),
        "rows_of_other_days": F.count_if(~is_of_day),
    }
    rows = record.observe(tweets, [count.alias(name) for name, count in counts.items()]).where(is_of_day)
    return rows.drop(date_column) if date_column == DAY_PARTITION else rows


def bytes_of_day(
    tweets: DataFrame, text_column: str, date_column: str | None, day: str, date_format: str | None = None
) -> int | None:
    """Return the bytes of text of a day's records; None without a date column: all files are of the day.

    By the bytes of the files one day of a month would be spread over as many tasks as the month. The texts of the day
    are read for it, unless the files are so small that it takes longer than tasks that are too many.

    Raises
    ------
    DataError, ConfigError
        As in `records_of_day`.
    """
    if date_column is None:
        return None
    size = input_bytes(tweets)
    if size is not None and partition_count(size) < _TASKS_WORTH_COUNTING:
        return None
    of_day = tweets.where(_date_of(tweets, date_column, date_format) == F.lit(day).cast("date"))
    text = F.octet_length(usable_text(tweets, text_column))
    return int(of_day.agg(F.sum(text)).collect()[0][0] or 0)


def _date_of(tweets: DataFrame, date_column: str, date_format: str | None) -> Column:
    """Return the date of each record; null if it is missing or cannot be parsed. Raises as `records_of_day` does."""
    paths = find_columns(tweets.schema, date_column)
    if not paths:
        raise DataError(f"column {date_column!r} not found; the table has {table_columns(tweets)}; set --date-column")
    date, kind = path_column(paths[0]), path_type(tweets.schema, paths[0])
    if isinstance(kind, T.StringType):
        return parsed_date(date, date_format)
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        return date.cast("date")
    if not isinstance(kind, T.DateType):
        raise DataError(
            f"column {date_column!r} is {kind.simpleString()}; --date-column takes dates, timestamps or strings"
        )
    return date


def is_complete_folder(spark: SparkSession, path: str) -> bool:
    """Tell whether a folder without a record is a complete, empty day: it holds files, or a finished job's `_SUCCESS`.

    A folder with neither, or with folders only, may still be in the middle of being written.
    """
    files = spark.read.format("binaryFile").load(path).inputFiles()
    return bool(files) or path_exists(spark, f"{path.rstrip('/')}/_SUCCESS", "binaryFile")
