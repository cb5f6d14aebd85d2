"""Decide which input and which records belong to a day, and whether an input without a record is a complete day."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.runs.date_format import parsed_date
from bert_spark.runs.run_record import RunRecord
from bert_spark.tables.config import DATE_PLACEHOLDER, InputConfig
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.references import find_columns, path_column, path_type
from bert_spark.tables.schema import table_columns

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


DAY_PARTITION = "run_date"


def has_path_per_day(source: InputConfig) -> bool:
    """Tell whether the path of the input contains `{run_date}`, so that each day has its own."""
    return DATE_PLACEHOLDER in str(source.path)


def input_of_day(source: InputConfig, day: str) -> InputConfig:
    """Return the input with the day in its path."""
    return dataclasses.replace(source, path=str(source.path).replace(DATE_PLACEHOLDER, day))


def records_of_day(
    record: RunRecord, tweets: DataFrame, date_column: str | None, day: str, date_format: str | None = None
) -> DataFrame:
    """Return the records of one day: all of them without a date column.

    A record whose date is missing or cannot be parsed belongs to no day. Such records are counted in `record` as
    "rows_without_date", and all records of the input as "rows_of_all_days".

    Raises
    ------
    DataError
        If the date column does not exist, or holds neither dates, timestamps nor strings.
    ConfigError
        If Spark cannot read dates of this format.
    """
    if date_column is None:
        return tweets
    tweets = record.observe(tweets, date_counts(tweets, date_column, date_format))
    rows = tweets.where(_date(tweets, date_column, date_format) == F.lit(day).cast("date"))
    return rows.drop(date_column) if date_column == DAY_PARTITION else rows


def date_counts(tweets: DataFrame, date_column: str, date_format: str | None) -> list[Column]:
    """Return the counts of records without a readable date, and of all records."""
    undated = F.count_if(_date(tweets, date_column, date_format).isNull())
    return [undated.alias("rows_without_date"), F.count(F.lit(1)).alias("rows_of_all_days")]


def _date(tweets: DataFrame, date_column: str, date_format: str | None) -> Column:
    paths = find_columns(tweets.schema, date_column)
    if not paths:
        raise DataError(f"column {date_column!r} not found; the table has {table_columns(tweets)}; set --date-column")
    date, kind = path_column(paths[0]), path_type(tweets.schema, paths[0])
    if isinstance(kind, T.StringType):
        return parsed_date(date, date_format)
    if isinstance(kind, (T.DateType, T.TimestampType, T.TimestampNTZType)):
        return date.cast("date")
    raise DataError(
        f"column {date_column!r} is {kind.simpleString()}; --date-column takes dates, timestamps or strings"
    )


def check_dates_readable(counts: Mapping[str, Any], date_column: str | None) -> None:
    """Raise DataError if most records of an input have no readable date: their day would be published without them."""
    undated, rows = counts.get("rows_without_date", 0), counts.get("rows_of_all_days", 0)
    if undated * 2 > rows:
        raise DataError(
            f"{undated:,} of {rows:,} records have no readable date in column {date_column!r}. Nothing was published; "
            "set --date-format, or another --date-column"
        )


def is_complete_folder(spark: SparkSession, path: str) -> bool:
    """Tell whether a folder without a record is a complete, empty day: it holds files, or a finished job's `_SUCCESS`.

    A folder with neither, or with folders only, may still be in the middle of being written.
    """
    files = spark.read.format("binaryFile").load(path).inputFiles()
    return bool(files) or path_exists(spark, f"{path.rstrip('/')}/_SUCCESS", "binaryFile")
