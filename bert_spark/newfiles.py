"""Files that a stream has not read yet: which they are, and whether they have the columns that its first run saw."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.columns import MALFORMED_COLUMN
from bert_spark.errors import ConfigError, DataError, EmptyInputError
from bert_spark.files import Folder
from bert_spark.jobconf import InputConfig
from bert_spark.sources import kind_of, reason_of, schema_of
from bert_spark.spread import input_bytes, paths_of, text_bytes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOG = "sources/0"  # in a checkpoint of Spark's: the files that its one source has handed out


@dataclass(frozen=True)
class Unread:
    """What a stream has not read yet.

    Parameters
    ----------
    schema
        Its columns; None where there is nothing.
    size
        Its bytes of text, about; None where they can't be known.
    files
        Addresses of its files; empty for a table, which says itself what is new.
    """

    schema: T.StructType | None
    size: int | None
    files: frozenset[str] = frozenset()


def unread(spark: SparkSession, source: InputConfig, checkpoint: Folder) -> Unread:
    """Return what Spark's checkpoint does not know of an input.

    Files are told by their names, as Spark's stream tells them, not by their dates: one may arrive with any.

    Raises
    ------
    ConfigError
        When it is a single file, which Spark streams don't take.
    DataError
        When it can't be read, or its files don't agree on their columns.
    """
    kind, path = kind_of(source), str(source.path)
    try:
        if kind in ("table", "delta"):
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            return Unread(table.schema, input_bytes(table))
        files = spark.read.format("binaryFile").load(path)
        there = files.select(F.col("_metadata.file_path").alias("file"), text_bytes().alias("size")).collect()
        seen = _seen(spark, checkpoint)
        new = {row.file: row.size for row in there if row.file not in seen}
        if len(there) == 1 and _is(there[0].file, path):
            raise ConfigError(
                f"input {path!r} is one file; --incremental reads what is new in a folder, in a pattern like "
                f"{posixpath.dirname(path) or '.'}/*, or in a table"
            )
        columns = columns_of(spark, source, sorted(new) if seen else None) if new else None
        return Unread(columns, int(sum(new.values())), frozenset(new))
    except AnalysisException as err:
        if "PATH_NOT_FOUND" in str(err):
            return Unread(None, 0)
        raise DataError(f"can't read {path!r} as {kind}: {reason_of(err)}") from err
    except (PySparkException, Py4JJavaError) as err:
        raise DataError(f"files in {path!r} can't be read, or don't agree on their columns: {reason_of(err)}") from err


def _is(file: str, path: str) -> bool:
    """Tell whether a file's address is that of the input itself."""
    return unquote(file).endswith("/" + re.sub(r"^\w+:/*", "", path).lstrip("/"))


def _seen(spark: SparkSession, checkpoint: Folder) -> set[str]:
    """Return the addresses of the files whose micro-batch is done, spelt as `_metadata.file_path` spells them."""
    done = max((int(name) for name in (checkpoint / "commits").names() if name.isdigit()), default=-1)
    try:
        log = spark.read.schema("path string, batchId long").json((checkpoint / _LOG).uri)
        found = log.where((F.col("batchId") <= done) & F.col("path").isNotNull()).distinct().collect()
    except AnalysisException:  # no stream has run yet
        return set()
    return {row.path.replace(":///", ":/", 1) for row in found}


def columns_of(spark: SparkSession, source: InputConfig, files: Sequence[str] | None = None) -> T.StructType | None:
    """Return the columns of some files of an input, or of all; None where they hold no record that tells any."""
    kind, path, more = kind_of(source), str(source.path), {"mergeSchema": "true"}
    if files is not None and kind == "json":
        more["dropFieldIfAllNull"] = "true"
    if files is not None and kind != "text" and not set(path) & set("*?[{"):  # of a pattern, folders are no columns
        more["basePath"] = path
    try:
        schema = schema_of(spark, source, kind, paths_of(files or ()), **more)
    except EmptyInputError:
        return None
    return schema if set(schema.names) - {MALFORMED_COLUMN} else None


def given(spark: SparkSession, ddl: str | None, source: InputConfig) -> T.StructType | None:
    """Return the columns that a setting names; None where it names none."""
    if ddl is None:
        return None
    try:
        fields = list(spark.createDataFrame([], ddl).schema.fields)
    except ParseException as err:
        raise ConfigError(f"schema={ddl!r} is no list of columns; expected e.g. 'id STRING, text STRING'") from err
    kind = kind_of(source)
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


def differences(
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
        and not _fits(field.dataType, known[field.name], "folder" if field.name in folders else kind_of(source))
    ]
    if kind_of(source) not in ("text", "json") and source.text_column not in new.names:  # json's may be null in all
        wrong.append(f"column {source.text_column!r} is gone")
    return wrong


def _fits(found: T.DataType, known: T.DataType, kind: str) -> bool:
    """Tell whether values of one type can be read as another; json's and folders' go by what happens to be in them."""
    if found == known or (kind == "folder" and isinstance(found, T.NullType)):
        return True
    if kind == "json" and isinstance(found, T.ArrayType) and isinstance(known, T.ArrayType):
        return _fits(found.elementType, known.elementType, kind)
    if kind == "json" and isinstance(found, T.StructType) and isinstance(known, T.StructType):
        types = {field.name: field.dataType for field in known.fields}
        return all(f.name in types and _fits(f.dataType, types[f.name], kind) for f in found.fields)
    if kind == "json" and isinstance(known, T.DoubleType) and isinstance(found, T.LongType):
        return True
    return kind in ("json", "folder") and isinstance(known, T.StringType)
