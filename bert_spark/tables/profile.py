"""What the columns of a table hold: nulls, empty strings, different values. Reads all records once, without BERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.tables.row_counts import NULL_WORDS
from bert_spark.tables.schema import MALFORMED_COLUMN, exact_column, table_columns

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_ATOMIC = (
    T.StringType,
    T.IntegralType,
    T.FractionalType,
    T.BooleanType,
    T.DateType,
    T.TimestampType,
    T.TimestampNTZType,
)


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds.

    Attributes
    ----------
    name, kind
        Its name and Spark's name of its type.
    nulls, empty
        Rows that are null, and rows of an empty or blank string.
    different
        About how many different values there are; None for nested types.
    characters
        Mean length of its strings; 0 for other types.
    """

    name: str
    kind: str
    nulls: int
    empty: int
    different: int | None
    characters: float


def profile_columns(df: DataFrame) -> tuple[int, int, list[ColumnProfile]]:
    """Return the number of records, of malformed ones, and the profile of each column."""
    names = table_columns(df)
    malformed = F.count(MALFORMED_COLUMN) if MALFORMED_COLUMN in df.columns else F.lit(0)
    expressions = [F.count(F.lit(1)).alias("rows"), malformed.alias("malformed")]
    for number, name in enumerate(names):
        for key, value in _facts(exact_column(name), df.schema[name].dataType).items():
            expressions.append(value.alias(f"{key}{number}"))
    row = df.agg(*expressions).collect()[0].asDict()
    profiles = [
        ColumnProfile(
            name,
            df.schema[name].dataType.simpleString(),
            row[f"nulls{number}"],
            row.get(f"empty{number}", 0),
            row.get(f"different{number}"),
            row.get(f"characters{number}") or 0.0,
        )
        for number, name in enumerate(names)
    ]
    return row["rows"], row["malformed"], profiles


def _facts(column: Column, kind: T.DataType) -> dict[str, Column]:
    facts = {"nulls": F.count_if(column.isNull())}
    if isinstance(kind, _ATOMIC):
        facts["different"] = F.least(F.approx_count_distinct(column), F.count(column))
    if isinstance(kind, T.StringType):
        facts |= {"empty": F.count_if(F.trim(column) == ""), "characters": F.avg(F.length(column))}
    return facts


def value_counts(df: DataFrame, value: Column, most: int) -> dict[Any, int]:
    """Return the most frequent values that are not null, and how often each occurs, the most frequent first."""
    counts = df.select(value.alias("value")).where("value is not null").groupBy("value").count()
    return {row["value"]: row["count"] for row in counts.orderBy(F.desc("count"), "value").limit(most).collect()}


def first_values(df: DataFrame, names: Sequence[str], most: int = 3, characters: int = 60) -> dict[str, list[str]]:
    """Return the first values of each column that are not null, as strings, cut after `characters`."""
    rows = df.select(*[exact_column(name) for name in names]).take(50)
    columns = {name: [str(row[n]) for row in rows if row[n] is not None] for n, name in enumerate(names)}
    return {name: [value[:characters] for value in dict.fromkeys(values)][:most] for name, values in columns.items()}


def null_words(df: DataFrame, value: Column) -> list[str]:
    """Return which of the words that programs write for a missing value are among the values."""
    return list(value_counts(df.where(value.isin(*NULL_WORDS)), value, len(NULL_WORDS)))
