"""Find what a stream has not read yet: the files that Spark's checkpoint does not list, with columns and size."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.new_file_columns import columns_of_files
from bert_spark.storage import Folder
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import input_bytes, text_bytes
from bert_spark.tables.readers import spark_reason

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_SOURCE_LOG = "sources/0"  # in Spark's checkpoint: the files that its only source has handed out


@dataclass(frozen=True)
class NewFiles:
    """What a stream has not read yet.

    Parameters
    ----------
    schema
        Its columns; None if there is nothing new.
    size
        Its approximate bytes of text; None if they cannot be known.
    files
        Addresses of its files; empty for a table, which tracks its own new files.
    changed
        Addresses of files that were read earlier and have changed since then. No stream reads them again.
    """

    schema: T.StructType | None
    size: int | None
    files: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


def find_new_files(
    spark: SparkSession, source: InputConfig, checkpoint: Folder, read_again: Mapping[str, int] = MappingProxyType({})
) -> NewFiles:
    """Return what Spark's checkpoint does not list of an input.

    Files are identified by name, as Spark's stream identifies them, and not by date: a file may arrive with any date.

    Parameters
    ----------
    spark
        The session.
    source
        The input.
    checkpoint
        Spark's part of the checkpoint.
    read_again
        File -> time (ms) of its last change when it was read again, outside the stream.

    Raises
    ------
    ConfigError
        If the input is a single file, which a Spark stream cannot read.
    DataError
        If the input cannot be read, or columns of its files have types that cannot be merged.
    """
    kind, path = input_format(source), str(source.path)
    try:
        if kind in ("table", "delta"):
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            return NewFiles(table.schema, input_bytes(table))
        return _new_files(spark, source, checkpoint, read_again)
    except AnalysisException as err:
        if "PATH_NOT_FOUND" in str(err):
            return NewFiles(None, 0)
        raise DataError(f"can't read {path!r} as {kind}: {spark_reason(err)}") from err
    except (PySparkException, Py4JJavaError) as err:
        raise DataError(
            f"files in {path!r} can't be read, or their columns don't agree: {spark_reason(err)}. Nothing was read; "
            "correct or remove those files and run again"
        ) from err


def _new_files(spark: SparkSession, source: InputConfig, checkpoint: Folder, read_again: Mapping[str, int]) -> NewFiles:
    path = str(source.path)
    files = spark.read.format("binaryFile").load(path)
    facts = (text_bytes().alias("size"), F.unix_millis("modificationTime").alias("time"))
    existing = files.select(F.col("_metadata.file_path").alias("file"), *facts).collect()
    already_read = {**_files_read(spark, checkpoint), **read_again}
    new = {row.file: row.size for row in existing if row.file not in already_read}
    if len(existing) == 1 and _is_input_itself(existing[0].file, path):
        raise ConfigError(
            f"input {path!r} is one file; --incremental needs a folder, a pattern such as "
            f"{posixpath.dirname(path) or '.'}/*, or a table, in which new files or rows arrive"
        )
    columns = columns_of_files(spark, source, sorted(new) if already_read else None) if new else None
    changed = {row.file for row in existing if already_read.get(row.file, row.time) != row.time}
    return NewFiles(columns, int(sum(new.values())), frozenset(new), frozenset(changed))


def _is_input_itself(file: str, path: str) -> bool:
    """Tell whether a file's address is that of the input itself."""
    return unquote(file).endswith("/" + re.sub(r"^\w+:/*", "", path).lstrip("/"))


def _files_read(spark: SparkSession, checkpoint: Folder) -> dict[str, int]:
    """Return the files of committed micro-batches and the times (ms) of their last changes.

    Their addresses are spelt as `_metadata.file_path` spells them.
    """
    last_commit = max((int(name) for name in (checkpoint / "commits").names() if name.isdigit()), default=-1)
    try:
        log = spark.read.schema("path string, timestamp long, batchId long").json((checkpoint / _SOURCE_LOG).uri)
        committed = log.where((F.col("batchId") <= last_commit) & F.col("path").isNotNull()).distinct().collect()
    except AnalysisException:  # no stream has run yet
        return {}
    return {row.path.replace(":///", ":/", 1): row.timestamp for row in committed}


def file_names(files: Iterable[str]) -> str:
    """Return the names of up to three files in parentheses, and how many more there are."""
    names = [uri.rpartition("/")[2] for uri in sorted(files)]
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return f" ({', '.join(names[:3] + more)})" if names else ""
