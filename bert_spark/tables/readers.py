"""Read a table of tweets so that one record is one row, malformed ones included.

Refuses a wrong path, format or column before any work.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from bert_spark.errors import DataError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import delimiter
from bert_spark.tables.csv_layout import csv_layout
from bert_spark.tables.input_format import check_input_settings, input_format
from bert_spark.tables.reader_options import reader_options
from bert_spark.tables.records import as_records
from bert_spark.tables.references import has_column, referenced_column
from bert_spark.tables.row_numbers import ROW_NUMBER, mark_places, number_records
from bert_spark.tables.schema import MALFORMED_COLUMN, check_columns_free, table_columns
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)


def read_input(
    spark: SparkSession, config: InputConfig, others: Collection[str | None] = (), *, keep_order: bool = False
) -> DataFrame:
    """Return the input as a DataFrame. Only the first lines or a schema have been parsed by then.

    A csv or json record that cannot be parsed keeps its row. Its raw text is in the column MALFORMED_COLUMN, which
    `with_embedding` and `with_score` turn into an error and the row's text.

    Parameters
    ----------
    spark, config
        The session and the input.
    others
        Columns that hold something else than texts, see `text_column.with_text_column`.
    keep_order
        Whether to add the column ROW_NUMBER. The records are counted first.

    Raises
    ------
    ConfigError
        If no input is set.
    DataError
        If the input does not exist, cannot be read as set, or lacks the text or id column; or if it holds malformed
        records and `fail_on_malformed` is set.
    EmptyInputError
        If the input holds nothing, not even column names. It is a DataError.
    """
    check_input_settings(config)
    kind = input_format(config)
    df = load_input(spark, config, keep_order=keep_order)
    if kind != "table":
        _check_not_empty(spark, df, config, kind)
    if kind == "csv":
        _check_delimiter(df, config)
    source = with_text_column(df, config, others)
    if source != config:
        logger.info(
            "%r has no column %r: the texts are those of %r", config.path, config.text_column, source.text_column
        )
    _check_id_column(df, config)
    if config.fail_on_malformed:
        _check_none_malformed(df, source)
    if not keep_order:
        return df
    check_columns_free(df, {ROW_NUMBER: "leave out --keep-order"})
    return number_records(df, referenced_column(df.schema, source.text_column))


def spark_reason(err: Exception) -> str:
    """Return the line in which Spark gives its reason: the last cause of a Java stack trace, else the first line."""
    lines = [line for line in str(err).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return causes[-1] if causes else lines[0] if lines else type(err).__name__


def load_input(spark: SparkSession, config: InputConfig, *, keep_order: bool = False) -> DataFrame:
    """Return the input as a DataFrame. Its columns are not checked. With `keep_order` it has those of `mark_places`.

    Raises
    ------
    DataError
        If the input does not exist, or cannot be read as set.
    EmptyInputError
        If it holds nothing, not even column names.
    """
    kind = input_format(config)
    try:
        df = _dataframe(spark, config, kind, mark_places if keep_order else lambda rows: rows)
        df.schema  # noqa: B018 - Spark Connect looks at the input only now
    except (PySparkException, Py4JJavaError) as err:
        if "UNABLE_TO_INFER_SCHEMA" in str(err):
            raise EmptyInputError(f"{config.path!r} holds no {kind} files (--format)") from err
        encoding = f" in {config.encoding} (--encoding)" if kind in ("csv", "json") else ""
        raise DataError(f"can't read {config.path!r} as {kind} (--format){encoding}: {spark_reason(err)}") from err
    return df


def _dataframe(
    spark: SparkSession, config: InputConfig, kind: str, mark: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    path = str(config.path)
    if kind == "table":
        return as_records(spark.table(path), config, kind)
    options = reader_options(spark, config, kind)
    if kind != "csv":
        return as_records(mark(spark.read.format(kind).options(**options).load(path)), config, kind)
    layout = csv_layout(spark, config)
    reader = spark.read.schema(layout.schema).options(**reader_options(spark, config, kind, layout))
    return as_records(mark(reader.csv(path)), config, kind, layout)


def _check_not_empty(spark: SparkSession, df: DataFrame, config: InputConfig, kind: str) -> None:
    if table_columns(df):
        return
    # blanks, brackets and a byte order mark alone are no record
    if spark.read.text(str(config.path)).where(F.col("value").rlike(r"[^\s\[\]\x{feff}]")).take(1):
        raise DataError(f"no record in {config.path!r} has a column; is it {kind} (--format)?")
    raise EmptyInputError(f"{config.path!r} holds no records")


def _check_delimiter(df: DataFrame, config: InputConfig) -> None:
    columns = table_columns(df)
    if len(columns) == 1 and not has_column(df.schema, config.text_column) and not re.fullmatch(r"\w+", columns[0]):
        raise DataError(
            f"with the delimiter {delimiter(config)!r}, {config.path!r} has one column, {columns[0]!r}; "
            "set --delimiter, or set --text-column to that column"
        )


def _check_id_column(df: DataFrame, config: InputConfig) -> None:
    if config.id_column is not None and not has_column(df.schema, config.id_column):
        raise DataError(f"column {config.id_column!r} not found; the table has {table_columns(df)}; set --id-column")


def _check_none_malformed(df: DataFrame, config: InputConfig) -> None:
    if MALFORMED_COLUMN not in df.columns:
        return
    malformed = F.col(MALFORMED_COLUMN)
    # Spark refuses a csv query that reads the malformed column alone
    text = F.count(referenced_column(df.schema, config.text_column))
    counts = df.agg(F.count(malformed), F.count_if(F.contains(malformed, F.lit("\n"))), text).first()
    if counts and counts[0]:
        several_lines = f" ({counts[1]} of several lines: see --quote)" if counts[1] else ""
        raise DataError(
            f"{config.path!r} holds {counts[0]} malformed records{several_lines}; correct them, or leave out "
            "--fail-on-malformed: each then keeps its row, with error = 'malformed row' and its raw text"
        )
