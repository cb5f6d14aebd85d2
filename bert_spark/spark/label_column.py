"""The column of labels: which types can be classes, and which values count as missing. On Spark and in Arrow alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.tables.references import find_columns, path_type, referenced_column
from bert_spark.tables.schema import Table, table_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column

_FLOATS = (T.FloatType, T.DoubleType)
_STRINGS = (T.StringType, T.VarcharType, T.CharType)
_CLASSES = (*_STRINGS, *_FLOATS, T.IntegralType, T.BooleanType, T.DecimalType)


def check_label_column(rows: Table, name: str, option: str = "--label-column") -> None:
    """Refuse a column that does not exist, or whose type can't hold classes. `option` is the one that names it.

    Raises
    ------
    DataError
        If there is no such column, or its type is nested, binary or a time.
    """
    paths = find_columns(rows.schema, name)
    if not paths:
        raise DataError(f"column {name!r} not found; the table has {table_columns(rows)}; set {option}")
    kind = path_type(rows.schema, paths[0])
    if not isinstance(kind, _CLASSES):
        raise DataError(
            f"label column {name!r} is {kind.simpleString()}; expected strings, whole numbers or booleans: choose "
            f"another with {option}, or cast it to string first"
        )


def usable_label(rows: Table, name: str, *, trim: bool) -> Column:
    """Return the labels of a table. NaN is null. With `trim` blanks around a label are removed; a blank one is null."""
    label, kind = referenced_column(rows.schema, name), path_type(rows.schema, find_columns(rows.schema, name)[0])
    if isinstance(kind, _FLOATS):
        return F.when(~F.isnan(label), label)
    if trim and isinstance(kind, _STRINGS):
        trimmed = F.regexp_replace(label.cast("string"), r"(?U)^\s+|\s+$", "")
        return F.when(trimmed != "", trimmed)
    return label


def usable_labels(labels: pa.ChunkedArray, *, trim: bool) -> pa.ChunkedArray:
    """Return Arrow labels as `usable_label` returns those of a table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(labels.type):
        return pc.if_else(pc.is_nan(labels), None, labels)
    if trim and (pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type)):
        trimmed = pc.utf8_trim_whitespace(labels)
        return pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    return labels
