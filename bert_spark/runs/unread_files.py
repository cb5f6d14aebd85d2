"""Find the files that a stream has not read yet."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.file_columns import columns_of_files
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import input_bytes, text_bytes
from bert_spark.tables.readers import spark_reason
from bert_spark.tables.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_SOURCE_LOG = "sources/0"  # in a checkpoint of Spark's: the files that its one source has handed out


@dataclass(frozen=True)
class UnreadFiles:
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


def find_unread(spark: SparkSession, source: InputConfig, checkpoint: Folder) -> UnreadFiles:
    """Return what Spark's checkpoint does not know of an input.

    Files are told by their names, as Spark's stream tells them, not by their dates: one may arrive with any.

    Raises
    ------
    ConfigError
        When it is a single file, which Spark streams don't take.
    DataError
        When it can't be read, or its files don't agree on their columns.
    """
    kind, path = input_format(source), str(source.path)
    try:
        if kind in ("table", "delta"):
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            return UnreadFiles(table.schema, input_bytes(table))
        files = spark.read.format("binaryFile").load(path)
        there = files.select(F.col("_metadata.file_path").alias("file"), text_bytes().alias("size")).collect()
        seen = _files_read(spark, checkpoint)
        new = {row.file: row.size for row in there if row.file not in seen}
        if len(there) == 1 and _is_input_itself(there[0].file, path):
            raise ConfigError(
                f"input {path!r} is one file; --incremental reads what is new in a folder, in a pattern like "
                f"{posixpath.dirname(path) or '.'}/*, or in a table"
            )
        columns = columns_of_files(spark, source, sorted(new) if seen else None) if new else None
        return UnreadFiles(columns, int(sum(new.values())), frozenset(new))
    except AnalysisException as err:
        if "PATH_NOT_FOUND" in str(err):
            return UnreadFiles(None, 0)
        raise DataError(f"can't read {path!r} as {kind}: {spark_reason(err)}") from err
    except (PySparkException, Py4JJavaError) as err:
        raise DataError(
            f"files in {path!r} can't be read, or don't agree on their columns: {spark_reason(err)}"
        ) from err


def _is_input_itself(file: str, path: str) -> bool:
    """Tell whether a file's address is that of the input itself."""
    return unquote(file).endswith("/" + re.sub(r"^\w+:/*", "", path).lstrip("/"))


def _files_read(spark: SparkSession, checkpoint: Folder) -> set[str]:
    """Return the addresses of the files whose micro-batch is done, spelt as `_metadata.file_path` spells them."""
    done = max((int(name) for name in (checkpoint / "commits").names() if name.isdigit()), default=-1)
    try:
        log = spark.read.schema("path string, batchId long").json((checkpoint / _SOURCE_LOG).uri)
        found = log.where((F.col("batchId") <= done) & F.col("path").isNotNull()).distinct().collect()
    except AnalysisException:  # no stream has run yet
        return set()
    return {row.path.replace(":///", ":/", 1) for row in found}
