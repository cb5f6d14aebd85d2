"""What the columns of a table must be before any work starts, and how they are named in Spark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.tables.references import find_columns, path_column, path_type

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


def table_columns(df: Table) -> list[str]:
    """Return the names of the columns that a user knows of."""
    return [name for name in df.columns if name != MALFORMED_COLUMN and not name.startswith(HIDDEN_PREFIX)]


def check_text_column(df: Table, reference: str) -> None:
    """Raise DataError if a table has no string column that `reference` names; see `references.find_columns`."""
    paths = find_columns(df.schema, reference)
    if not paths:
        raise DataError(f"column {reference!r} not found; the table has {table_columns(df)}; set --text-column")
    for path in paths:
        kind, name = path_type(df.schema, path), ".".join(path)
        if not isinstance(kind, (T.StringType, T.VarcharType, T.CharType)):
            raise DataError(
                f"column {name!r} is {kind.simpleString()}; expected string; cast it first, e.g. "
                f"df.withColumn({name!r}, F.col({name!r}).cast('string')), or pick another with --text-column"
            )


def check_columns_free(df: DataFrame, added: Mapping[str, str]) -> None:
    """Raise DataError if the table already has one of the columns that a job adds. Case is ignored, as Spark does.

    Parameters
    ----------
    df
        The table.
    added
        Name of a column -> what to do if the table has it, such as "set --error-column". "" if no option helps.
    """
    by_lower_name = {column.lower(): column for column in df.columns}
    taken = {by_lower_name[name.lower()]: advice for name, advice in added.items() if name.lower() in by_lower_name}
    if taken:
        ways_out = [*dict.fromkeys(filter(None, taken.values())), "rename them in the input"]
        raise DataError(
            f"the input already has the columns {sorted(taken)}, which this job adds; {', or '.join(ways_out)}"
        )


def exact_column(name: str) -> Column:
    """Return the column of exactly this name."""
    return path_column((name,))


def text_value(df: Table, reference: str) -> Column:
    """Return the text column of a table, or the first of several that is not null.

    Spark does not check UTF-8: invalid bytes become U+FFFD here.
    """
    texts = [path_column(path).cast("string") for path in find_columns(df.schema, reference)]
    text = texts[0] if len(texts) == 1 else F.coalesce(*texts)
    # before Spark 4, decode itself replaces invalid bytes
    return F.make_valid_utf8(text) if hasattr(F, "make_valid_utf8") else F.decode(text.cast("binary"), "UTF-8")


def usable_text(df: DataFrame, reference: str) -> Column:
    """Return the text of each record, null in malformed records: values parsed from those cannot be trusted."""
    text = text_value(df, reference)
    return F.when(F.col(MALFORMED_COLUMN).isNull(), text) if MALFORMED_COLUMN in df.columns else text
