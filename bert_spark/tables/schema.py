"""What a table's columns must be before any work starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


HIDDEN_PREFIX = "_bert_spark_"
MALFORMED_COLUMN = "_malformed_record"  # set by sources.read: the raw text of a record that could not be parsed


def drop_hidden(df: DataFrame) -> DataFrame:
    """Return `df` without the columns that were there to be counted only."""
    return df.drop(*(name for name in df.columns if name.startswith(HIDDEN_PREFIX)))


class Table(Protocol):
    """What has columns of Spark's types: a DataFrame, or files that are read without Spark."""

    @property
    def columns(self) -> list[str]:
        """Their names."""

    @property
    def schema(self) -> T.StructType:
        """Their types."""


def check_text_column(df: Table, name: str) -> None:
    """Raise DataError when a table has no string column `name`."""
    if name not in df.columns:
        found = [column for column in df.columns if column != MALFORMED_COLUMN]
        raise DataError(f"column {name!r} not found; the table has {found}; set --text-column")
    kind = df.schema[name].dataType
    if not isinstance(kind, (T.StringType, T.VarcharType, T.CharType)):
        raise DataError(
            f"column {name!r} is {kind.simpleString()}; expected string; cast it first, e.g. "
            f"df.withColumn({name!r}, F.col({name!r}).cast('string')), or pick another with --text-column"
        )


def check_columns_free(df: DataFrame, names: Sequence[str]) -> None:
    """Raise DataError when a column this job is to add is in the table already."""
    lower = {column.lower(): column for column in df.columns}
    taken = sorted(lower[name.lower()] for name in names if name.lower() in lower)
    if taken:
        raise DataError(
            f"the input has {taken} already; rename ours with --embedding-column or --error-column, or drop "
            f"theirs first"
        )


def exact_column(name: str) -> Column:
    """Return the column of exactly this name: with a dot in it, Spark would look for a field of a struct."""
    quoted = name.replace("`", "``")
    return F.col(f"`{quoted}`")


def valid_utf8_text(name: str) -> Column:
    """Return the column of this name as text: bytes that are no UTF-8, which Spark hands on, as U+FFFD."""
    text = exact_column(name).cast("string")
    # before Spark 4, decode itself replaces what it can't read
    return F.make_valid_utf8(text) if hasattr(F, "make_valid_utf8") else F.decode(text.cast("binary"), "UTF-8")


def usable_text(df: DataFrame, text_column: str) -> Column:
    """Return the text column, null in malformed records: what was parsed of those is not to be trusted."""
    text = valid_utf8_text(text_column)
    return F.when(F.col(MALFORMED_COLUMN).isNull(), text) if MALFORMED_COLUMN in df.columns else text
