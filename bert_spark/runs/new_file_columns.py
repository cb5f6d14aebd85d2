"""Find the columns of new files and compare them with those that the first run pinned. Refuses nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.errors import ParseException
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_layout import CsvLayout, csv_layout
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.reader_options import input_schema
from bert_spark.tables.references import has_column
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def columns_of_files(
    spark: SparkSession, source: InputConfig, files: Sequence[str] | None = None
) -> tuple[T.StructType | None, CsvLayout | None]:
    """Return the columns of some files of an input, or of all its files, and the layout of csv files.

    Both are None if no record shows them.

    Parameters
    ----------
    spark
        The session.
    source
        The input.
    files
        Addresses of the files; None for all.

    Raises
    ------
    DataError
        If csv files have different headers.
    """
    kind, path, options = input_format(source), str(source.path), {"mergeSchema": "true"}
    if files is not None and kind == "json":
        options["dropFieldIfAllNull"] = "true"
    if files is not None and kind != "text" and not set(path) & set("*?[{"):
        options["basePath"] = path  # folders such as lang=en become columns; below a pattern Spark makes none of them
    paths = literal_paths(files or ())
    if kind != "csv":
        schema = input_schema(spark, source, kind, paths, **options)
        return (schema if set(schema.names) - {MALFORMED_COLUMN} else None), None
    try:
        layout = csv_layout(spark, source, paths, **options)
    except EmptyInputError:
        return None, None
    return layout.schema, layout


def columns_from_ddl(spark: SparkSession, ddl: str | None, source: InputConfig) -> T.StructType | None:
    """Return the columns that `--schema` lists; None if it is not set.

    Raises
    ------
    ConfigError
        If it is not DDL, or gives a column of csv another type than STRING.
    """
    if ddl is None:
        return None
    try:
        fields = list(spark.createDataFrame([], ddl).schema.fields)
    except ParseException as err:
        raise ConfigError(f"schema={ddl!r} is not a list of columns; expected e.g. 'id STRING, text STRING'") from err
    kind = input_format(source)
    typed_fields = [field for field in fields if not isinstance(field.dataType, T.StringType)]
    if kind == "csv" and typed_fields:
        raise ConfigError(
            f"schema={ddl!r}: column {typed_fields[0].name} must be STRING, like every column of csv: numbers would "
            "change ids such as 007"
        )
    if kind == "text":
        return T.StructType([T.StructField("value", T.StringType())])
    if kind in ("csv", "json"):
        fields.append(T.StructField(MALFORMED_COLUMN, T.StringType()))
    return T.StructType(fields)


def column_differences(
    new: T.StructType | None,
    pinned: T.StructType,
    source: InputConfig,
    files: Iterable[str],
    *,
    compare_types: bool = True,
) -> list[str]:
    """Describe how the columns of some files differ from the pinned ones. A missing column is not a difference.

    The text column is the exception: without it, files of other formats than json and text differ.

    Parameters
    ----------
    new
        The columns of the files; None if they hold no record.
    pinned
        The pinned columns.
    source
        The input.
    files
        Addresses of the files.
    compare_types
        Whether types are compared too. They are not if `--schema` set them, since json is parsed into those types.
    """
    if new is None:
        return []
    kind = input_format(source)
    if kind == "csv" and new.names != pinned.names and set(new.names) <= set(pinned.names):
        return [f"their header must be {[name for name in pinned.names if name != MALFORMED_COLUMN]}, in this order"]
    pinned_types = {field.name: field.dataType for field in pinned.fields}
    folder_columns = {part.partition("=")[0] for uri in files for part in unquote(uri).split("/")[:-1] if "=" in part}
    differences = [
        f"new column {field.name!r} ({field.dataType.simpleString()})"
        for field in new.fields
        if field.name not in pinned_types
    ]
    for field in new.fields if compare_types else []:
        pinned_type = pinned_types.get(field.name)
        origin = "folder" if field.name in folder_columns else kind
        if pinned_type is not None and not _is_readable_as(field.dataType, pinned_type, origin):
            differences.append(
                f"column {field.name!r} is {field.dataType.simpleString()}, was {pinned_type.simpleString()}"
            )
    for field in new.fields:
        owner, pinned_owner = (
            columns[field.name].metadata.get(FINGERPRINT_KEY) if field.name in columns.names else None
            for columns in (new, pinned)
        )
        if owner and pinned_owner and owner != pinned_owner:
            differences.append(f"column {field.name!r} holds vectors of encoder {owner[:12]}, was {pinned_owner[:12]}")
    # json omits a text that is null in all records, and the text of pages is in their records
    shows_texts = kind not in ("text", "json") and source.records is None
    if shows_texts and not has_column(new, source.text_column):
        differences.append(f"column {source.text_column!r} is missing")
    return differences


def _is_readable_as(new_type: T.DataType, pinned_type: T.DataType, origin: str) -> bool:
    """Tell whether values of a new type can be read as the pinned type.

    Types of json and of folder names are inferred from the values that happen to be in them, so they may vary more.
    """
    if new_type == pinned_type or (origin == "folder" and isinstance(new_type, T.NullType)):
        return True
    if origin == "json" and isinstance(new_type, T.ArrayType) and isinstance(pinned_type, T.ArrayType):
        return _is_readable_as(new_type.elementType, pinned_type.elementType, origin)
    if origin == "json" and isinstance(new_type, T.StructType) and isinstance(pinned_type, T.StructType):
        types = {field.name: field.dataType for field in pinned_type.fields}
        return all(f.name in types and _is_readable_as(f.dataType, types[f.name], origin) for f in new_type.fields)
    if origin == "json" and isinstance(pinned_type, T.DoubleType) and isinstance(new_type, T.LongType):
        return True
    return origin in ("json", "folder") and isinstance(pinned_type, T.StringType)
