"""Whether an output exists, what it holds, and its full address.

An output may have thousands of partitions. Spark lists all files of a folder that it reads, so these questions are
answered from the folder's names and from one partition.
"""

from __future__ import annotations

import functools
import logging
import posixpath
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.errors import SetupError
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.parquet_footers import written_columns, written_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import types as T

logger = logging.getLogger(__name__)

_PLAIN_FILES = ("parquet", "orc", "json", "csv")
_OTHER_THAN_PLAIN = re.compile(r"[*?\[\]{}\\]")  # in a path: Spark may read it as a pattern
_PLAIN_ABSOLUTE = re.compile(r"/(?!/)[^*?\[\]{}\\:]*")  # a path that only lacks its scheme


def path_exists(spark: SparkSession, path: str, kind: str) -> bool:
    """Tell whether a folder, or a table if `kind` is "table", exists."""
    if kind == "table":
        return bool(spark.catalog.tableExists(path))
    folder = None if _OTHER_THAN_PLAIN.search(path) else _folder(spark, path)
    if folder is not None and folder.uri.startswith("file:"):  # Databricks mounts dbfs: for some processes only
        return folder.is_there()
    if _names_in(spark, path):
        return True
    try:
        return bool(spark.read.format("binaryFile").load(path).columns)
    except AnalysisException:
        return False


def output_is_empty(spark: SparkSession, output: OutputConfig) -> bool:
    """Tell whether an output does not exist or holds no row."""
    if not path_exists(spark, str(output.path), output.format):
        return True
    try:
        newest = _newest_partition(spark, output)
        if newest is not None and newest.limit(1).count():
            return False
        return read_output(spark, output).limit(1).count() == 0
    except AnalysisException:  # a folder without any file in it yet
        return True


def output_schema(spark: SparkSession, output: OutputConfig) -> T.StructType:
    """Return the columns of an output; of a folder with partitions, those of its newest one.

    Raises
    ------
    AnalysisException
        If it is a folder without any file in it yet.
    """
    newest = _newest_partition(spark, output)
    return (read_output(spark, output) if newest is None else newest).schema


def has_partitions_by(spark: SparkSession, output: OutputConfig, column: str) -> bool:
    """Tell whether this process sees a partition by `column` in an output that is a folder of files."""
    names = _names_in(spark, str(output.path)) if output.format in _PLAIN_FILES else []
    return any(name.startswith(f"{column}=") for name in names)


def rows_in_footers(spark: SparkSession, path: str) -> int | None:
    """Return how many rows the Parquet files in a folder hold; None if this process does not read that."""
    folder = _folder(spark, path)
    return None if folder is None else written_rows(folder)


def _columns_in_footer(spark: SparkSession, path: str) -> T.StructType | None:
    folder = _folder(spark, path)
    return None if folder is None else written_columns(folder)


def _newest_partition(spark: SparkSession, output: OutputConfig) -> DataFrame | None:
    """Return the rows of one partition of a folder of files; None if it has none, or if a log says what it holds."""
    if output.format not in _PLAIN_FILES:
        return None
    path = str(output.path).rstrip("/")
    names = sorted(name for name in _names_in(spark, path) if "=" in name)
    if not names:
        return None
    columns = _columns_in_footer(spark, f"{path}/{names[-1]}") if output.format == "parquet" else None
    reader = spark.read if columns is None else spark.read.schema(columns)  # a job of Spark finds them if not given
    try:
        return reader.format(output.format).option("basePath", path).load(f"{path}/{names[-1]}")
    except AnalysisException:  # a killed run has left it without a file
        return None


def _names_in(spark: SparkSession, path: str) -> list[str]:
    """Return the names in a folder; none if it does not exist, or if this process may not see what Spark sees."""
    try:
        folder = _folder(spark, path)
        return [] if folder is None else folder.names()
    except Exception as err:  # each storage raises its own; Spark is asked then
        logger.debug("%s is not listed by this process: %s", path, err)
        return []


def _folder(spark: SparkSession, path: str) -> Folder | None:
    """Return a folder of Spark's; None if this process cannot reach it, or may not see what Spark sees."""
    if "connect" in type(spark).__module__:
        return None
    try:
        return Folder(qualified_path(spark, path))
    except SetupError:
        return None


def read_output(spark: SparkSession, output: OutputConfig) -> DataFrame:
    """Return the rows of an output as a DataFrame."""
    return (
        spark.table(str(output.path))
        if output.format == "table"
        else spark.read.format(output.format).load(output.path)
    )


def table_properties(spark: SparkSession, output: OutputConfig) -> dict[str, str]:
    """Return the properties of a table; an empty dict for a folder."""
    if output.format != "table":
        return {}
    return {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {output.path}").collect()}


def set_table_properties(spark: SparkSession, table: str, properties: Mapping[str, str]) -> None:
    """Store properties with a table."""
    escaped = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in properties.items()}
    pairs = ", ".join(f"'{key}' = '{value}'" for key, value in escaped.items())
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({pairs})")


def table_facts(spark: SparkSession, table: str) -> dict[str, str]:
    """Return what Spark says of a table, such as its "Name" and its "Provider"."""
    return {row["col_name"]: row["data_type"] for row in spark.sql(f"DESCRIBE TABLE EXTENDED {table}").collect()}


def table_provider(spark: SparkSession, table: str) -> str:
    """Return the format of a table, such as "iceberg"; "" if Spark does not say it."""
    return table_facts(spark, table).get("Provider", "").lower()


def qualified_path(spark: SparkSession, path: str) -> str:
    """Return a path with its scheme, as Spark's default file system resolves it."""
    if _PLAIN_ABSOLUTE.fullmatch(path):
        return _resolved_path(spark, "/").rstrip("/") + posixpath.normpath(path)
    return _resolved_path(spark, path)


@functools.lru_cache(maxsize=64)  # a session does not change its default file system, and asking it takes 0.1 s
def _resolved_path(spark: SparkSession, path: str) -> str:
    """Return a path as Spark resolves it.

    Spark names the resolved path in the error for a missing file, so a missing file below `path` is loaded.
    """
    missing = f"{path.rstrip('/')}/{uuid.uuid4().hex}"
    try:
        spark.read.format("binaryFile").load(missing).schema  # noqa: B018 - Spark Connect resolves the path only here
    except AnalysisException as err:
        resolved = (err.getMessageParameters() or {}).get("path", missing)
        return posixpath.dirname(resolved)
    return path
