"""What the columns of a table must be before any work starts, and how they are named in Spark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


HIDDEN_PREFIX = "_bert_spark_"  # of columns that are counted or joined on, and are not in the output
MALFORMED_COLUMN = "_malformed_record"  # set by readers.read_input: the raw text of a record that cannot be parsed


def drop_hidden(df: DataFrame) -> DataFrame:
    """Return `df` without its hidden columns."""
    return df.drop(*(name for name in df.columns if name.startswith(HIDDEN_PREFIX)))


class Table(Protocol):
    """Columns with Spark's types: a DataFrame, or files that are read without Spark."""

    @property
    def columns(self) -> list[str]:
        """Their names."""

    @property
    def schema(self) -> T.StructType:
        """Their types."""


def check_text_column(df: Table, name: str) -> None:
    """Raise DataError if a table has no string column `name`."""
    if name not in df.columns:
        columns = [column for column in df.columns if column != MALFORMED_COLUMN]
        raise DataError(f"column {name!r} not found; the table has {columns}; set --text-column")
    kind = df.schema[name].dataType
    if not isinstance(kind, (T.StringType, T.VarcharType, T.CharType)):
        raise DataError(
            f"column {name!r} is {kind.simpleString()}; expected string; cast it first, e.g. "
            f"df.withColumn({name!r}, F.col({name!r}).cast('string')), or pick another with --text-column"
        )


def check_columns_free(df: DataFrame, names: Sequence[str]) -> None:
    """Raise DataError if the table already has one of the columns that a job adds. Case is ignored, as Spark does."""
    by_lower_name = {column.lower(): column for column in df.columns}
    taken = sorted(by_lower_name[name.lower()] for name in names if name.lower() in by_lower_name)
    if taken:
        raise DataError(
            f"the input already has the columns {taken}, which this job adds; choose other names with "
            "--embedding-column or --error-column, or drop them from the input"
        )


def exact_column(name: str) -> Column:
    """Return the column of exactly this name. Without backticks Spark reads a dot in it as a field of a struct."""
    quoted = name.replace("`", "``")
    return F.col(f"`{quoted}`")


def valid_utf8_text(name: str) -> Column:
    """Return the column of this name as text. Spark does not check UTF-8: invalid bytes become U+FFFD here."""
    text = exact_column(name).cast("string")
    # before Spark 4, decode itself replaces invalid bytes
    return F.make_valid_utf8(text) if hasattr(F, "make_valid_utf8") else F.decode(text.cast("binary"), "UTF-8")


def usable_text(df: DataFrame, text_column: str) -> Column:
    """Return the text column, null in malformed records: values parsed from those cannot be trusted."""
    text = valid_utf8_text(text_column)
    return F.when(F.col(MALFORMED_COLUMN).isNull(), text) if MALFORMED_COLUMN in df.columns else text
