"""Compare the columns of new files with those that the first run saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.errors import ParseException
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.readers import input_schema
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def columns_of_files(
    spark: SparkSession, source: InputConfig, files: Sequence[str] | None = None
) -> T.StructType | None:
    """Return the columns of some files of an input, or of all; None where they hold no record that tells any."""
    kind, path, more = input_format(source), str(source.path), {"mergeSchema": "true"}
    if files is not None and kind == "json":
        more["dropFieldIfAllNull"] = "true"
    if files is not None and kind != "text" and not set(path) & set("*?[{"):  # of a pattern, folders are no columns
        more["basePath"] = path
    try:
        schema = input_schema(spark, source, kind, literal_paths(files or ()), **more)
    except EmptyInputError:
        return None
    return schema if set(schema.names) - {MALFORMED_COLUMN} else None


def columns_from_ddl(spark: SparkSession, ddl: str | None, source: InputConfig) -> T.StructType | None:
    """Return the columns that a setting names; None where it names none."""
    if ddl is None:
        return None
    try:
        fields = list(spark.createDataFrame([], ddl).schema.fields)
    except ParseException as err:
        raise ConfigError(f"schema={ddl!r} is no list of columns; expected e.g. 'id STRING, text STRING'") from err
    kind = input_format(source)
    other = [field for field in fields if not isinstance(field.dataType, T.StringType)]
    if kind == "csv" and other:
        raise ConfigError(
            f"schema={ddl!r}: {other[0].name} is to be STRING, as all of csv, so that ids keep their digits"
        )
    if kind == "text":
        return T.StructType([T.StructField("value", T.StringType())])
    if kind in ("csv", "json"):
        fields.append(T.StructField(MALFORMED_COLUMN, T.StringType()))
    return T.StructType(fields)


def column_differences(
    new: T.StructType | None, schema: T.StructType, source: InputConfig, files: Iterable[str], *, typed: bool = True
) -> list[str]:
    """Say in what the columns of some files differ from those of the first run; a column less is no difference.

    Parameters
    ----------
    typed
        Whether types are compared too: json is parsed into those that a setting gives.
    """
    if new is None:
        return []
    known = {field.name: field.dataType for field in schema.fields}
    folders = {part.partition("=")[0] for uri in files for part in unquote(uri).split("/")[:-1] if "=" in part}
    wrong = [f"new column {f.name!r} ({f.dataType.simpleString()})" for f in new.fields if f.name not in known]
    wrong += [
        f"column {field.name!r} is {field.dataType.simpleString()}, was {known[field.name].simpleString()}"
        for field in new.fields
        if field.name in known
        and typed
        and not _is_readable_as(
            field.dataType, known[field.name], "folder" if field.name in folders else input_format(source)
        )
    ]
    if (
        input_format(source) not in ("text", "json") and source.text_column not in new.names
    ):  # json's may be null in all
        wrong.append(f"column {source.text_column!r} is gone")
    return wrong


def _is_readable_as(found: T.DataType, known: T.DataType, kind: str) -> bool:
    """Tell whether values of one type can be read as another; json's and folders' go by what happens to be in them."""
    if found == known or (kind == "folder" and isinstance(found, T.NullType)):
        return True
    if kind == "json" and isinstance(found, T.ArrayType) and isinstance(known, T.ArrayType):
        return _is_readable_as(found.elementType, known.elementType, kind)
    if kind == "json" and isinstance(found, T.StructType) and isinstance(known, T.StructType):
        types = {field.name: field.dataType for field in known.fields}
        return all(f.name in types and _is_readable_as(f.dataType, types[f.name], kind) for f in found.fields)
    if kind == "json" and isinstance(known, T.DoubleType) and isinstance(found, T.LongType):
        return True
    return kind in ("json", "folder") and isinstance(known, T.StringType)
