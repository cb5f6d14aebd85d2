"""Find the columns that a setting names: a column, a field inside structs, or the first of several that is not null.

`user.id_str` is the field id_str of the column user, unless the table has a column of exactly this name. Backticks
keep a name with dots or commas together: "`a.b`.c".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import Column


Path = tuple[str, ...]  # the column, then the fields of its structs

_PART = re.compile(r"\s*(?:`((?:[^`]|``)*)`|([^`.,]+?))\s*(?:([.,])|$)")


def find_columns(schema: T.StructType, reference: str) -> list[Path]:
    """Return the paths of those columns of a reference that a table has, in the reference's order.

    Parameters
    ----------
    schema
        The table's columns.
    reference
        Such as "text", "extended_tweet.full_text", or several of them, separated by commas.
    """
    if reference in schema.names:
        return [(reference,)]
    paths = [(name,) if (name := ".".join(parts)) in schema.names else parts for parts in _split(reference)]
    return [path for path in paths if _field_type(schema, path) is not None]


def has_column(schema: T.StructType, reference: str) -> bool:
    """Tell whether a table has a column of a reference."""
    return bool(find_columns(schema, reference))


def path_type(schema: T.StructType, path: Path) -> T.DataType:
    """Return the type of a column or field that the table has."""
    found = _field_type(schema, path)
    if found is None:
        raise KeyError(path)
    return found


def path_column(path: Path) -> Column:
    """Return a column or field. Without backticks Spark reads a dot in a name as a field of a struct."""
    return F.col(".".join("`{}`".format(part.replace("`", "``")) for part in path))


def referenced_column(schema: T.StructType, reference: str) -> Column:
    """Return the column of a reference: of several, the first that is not null. The table must have one of them."""
    columns = [path_column(path) for path in find_columns(schema, reference)]
    return columns[0] if len(columns) == 1 else F.coalesce(*columns)


def struct_with(kind: T.DataType, path: Path, value: Column) -> Column:
    """Return a value of a column's type that is null but for one field; the value itself for an empty path."""
    if not path or not isinstance(kind, T.StructType):
        return value
    fields = [
        struct_with(field.dataType, path[1:], value) if field.name == path[0] else F.lit(None).cast(field.dataType)
        for field in kind.fields
    ]
    return F.struct(*[column.alias(name) for column, name in zip(fields, kind.names, strict=True)])


def _field_type(schema: T.StructType, path: Sequence[str]) -> T.DataType | None:
    kind: T.DataType = schema
    for name in path:
        if not isinstance(kind, T.StructType) or name not in kind.names:
            return None
        kind = kind[name].dataType
    return kind


def _split(reference: str) -> list[Path]:
    """Return the parts of each column of a reference; a reference that cannot be split is one name."""
    paths: list[list[str]] = [[]]
    position = 0
    while position < len(reference):
        part = _PART.match(reference, position)
        if part is None:
            return [(reference,)]
        paths[-1].append(part[2] if part[1] is None else part[1].replace("``", "`"))
        if part[3] == ",":
            paths.append([])
        position = part.end()
    return [tuple(path) for path in paths if path]
