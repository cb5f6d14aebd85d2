"""Describe the rows of an input and of the output that is kept in step with it, so that they can be compared.

Reads neither vectors nor labels: Spark's columnar files are read for the compared columns only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.error_reasons import MALFORMED_ROW, OUT_OF_MEMORY
from bert_spark.errors import DataError
from bert_spark.tables.references import find_columns, path_column, path_type
from bert_spark.tables.row_digests import row_digest, text_digest
from bert_spark.tables.schema import HIDDEN_PREFIX, MALFORMED_COLUMN, exact_column, text_value, usable_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


ID, FILE = f"{HIDDEN_PREFIX}id", f"{HIDDEN_PREFIX}in_file"  # the id as a string; the file that holds the row
TEXT, ROW, SIZE = (f"{HIDDEN_PREFIX}{name}" for name in ("text_digest", "row_digest", "text_size"))
_OTHER = "other"  # a digest that no row has


@dataclass(frozen=True)
class SyncedColumns:
    """The columns of an output that is kept in step with its input.

    Parameters
    ----------
    id_column, text_column
        Columns of the input that identify a row, and hold its text; they may be fields of structs.
    error_column
        Column of the reasons.
    schema
        All columns of the output: those of the input, then those that the job adds.
    computed
        Names of the columns that the job adds.
    """

    id_column: str
    text_column: str
    error_column: str
    schema: T.StructType
    computed: tuple[str, ...]

    @property
    def kept(self) -> list[str]:
        """Names of the columns that come from the input."""
        return [name for name in self.schema.names if name not in self.computed]

    @property
    def facts(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "id_column": self.id_column,
            "text_column": self.text_column,
            "error_column": self.error_column,
            "schema": json.loads(self.schema.json()),
            "computed": list(self.computed),
        }

    @classmethod
    def parse(cls, facts: Mapping[str, Any]) -> SyncedColumns:
        """Return what `facts` describes; the inverse of `facts`."""
        return cls(
            facts["id_column"],
            facts["text_column"],
            facts["error_column"],
            T.StructType.fromJson(facts["schema"]),
            tuple(facts["computed"]),
        )

    def with_id(self, rows: DataFrame) -> DataFrame:
        """Return rows of the input or the output with their id as the hidden column ID."""
        return rows.withColumn(ID, path_column(find_columns(rows.schema, self.id_column)[0]).cast("string"))

    def of_output(self, rows: DataFrame) -> list[Column]:
        """Return those columns of the output that `rows` has, each with its type and metadata."""
        fields = [field for field in self.schema.fields if _can_hold(rows.schema, field)]
        return [
            exact_column(field.name).cast(field.dataType).alias(field.name, metadata=field.metadata) for field in fields
        ]


def _can_hold(schema: T.StructType, field: T.StructField) -> bool:
    """Tell whether a table has a column, of a type that can be cast to the column's own."""
    kinds = [field.dataType, schema[field.name].dataType] if field.name in schema.names else []
    same = len({kind.simpleString() for kind in kinds}) == 1
    return same or (bool(kinds) and all(isinstance(kind, T.AtomicType) for kind in kinds))


def check_id_column(rows: DataFrame, reference: str, where: str) -> None:
    """Raise DataError if a table has no single id column of this name, or if its type can't identify a row."""
    paths = find_columns(rows.schema, reference)
    if len(paths) != 1:
        raise DataError(f"{where} has {len(paths)} columns {reference!r}; set --id-column to one column that it has")
    kind = path_type(rows.schema, paths[0])
    if isinstance(kind, (T.ArrayType, T.MapType, T.StructType)):
        raise DataError(f"column {reference!r} is {kind.simpleString()}; expected numbers or strings; set --id-column")


def described_input(rows: DataFrame, visible: list[Column], columns: SyncedColumns) -> DataFrame:
    """Return ID, TEXT, ROW and SIZE of each record of the input.

    Parameters
    ----------
    rows
        The records.
    visible
        The columns that the output takes from them.
    columns
        Those of the output.
    """
    text = usable_text(rows, columns.text_column)
    malformed = F.col(MALFORMED_COLUMN).isNotNull() if MALFORMED_COLUMN in rows.columns else F.lit(False)
    digest = text_digest(text, malformed).alias(TEXT)
    size = F.coalesce(F.length(text), F.lit(0)).alias(SIZE)
    described = columns.with_id(rows).select(ID, digest, size, *visible)
    return described.select(ID, TEXT, SIZE, row_digest(described, columns.kept).alias(ROW))


def described_output(
    rows: DataFrame, columns: SyncedColumns, file: Column, *, same_columns: bool, same_texts: bool
) -> DataFrame:
    """Return ID, TEXT, ROW and FILE of each row of the output.

    Parameters
    ----------
    rows
        The rows of the output.
    columns
        Its columns.
    file
        The file that holds a row.
    same_columns
        Whether the columns that come from the input are those of the input now. Otherwise each ROW differs.
    same_texts
        Whether what the job computed still holds for the same text. Otherwise each TEXT differs.
    """
    text = _stored_text(rows, columns) if same_texts else F.lit(_OTHER)
    row = row_digest(rows, columns.kept) if same_columns else F.lit(_OTHER)
    return columns.with_id(rows).select(ID, text.alias(TEXT), row.alias(ROW), file.alias(FILE))


def _stored_text(rows: DataFrame, columns: SyncedColumns) -> Column:
    """Return the digest of a row's text. That of a row that ran out of memory equals no other: it is tried again."""
    error = exact_column(columns.error_column)
    malformed = F.coalesce(error == MALFORMED_ROW, F.lit(False))
    return F.when(error == OUT_OF_MEMORY, F.lit(_OTHER)).otherwise(
        text_digest(text_value(rows, columns.text_column), malformed)
    )
