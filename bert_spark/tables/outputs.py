"""Whether an output exists, what it holds, and its full address."""

from __future__ import annotations

import functools
import posixpath
import uuid
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.tables.config import OutputConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def path_exists(spark: SparkSession, path: str, kind: str) -> bool:
    """Tell whether a folder, or a table if `kind` is "table", exists."""
    if kind == "table":
        return bool(spark.catalog.tableExists(path))
    try:
        return bool(spark.read.format("binaryFile").load(path).columns)
    except AnalysisException:
        return False


def output_is_empty(spark: SparkSession, output: OutputConfig) -> bool:
    """Tell whether an output does not exist or holds no row."""
    if not path_exists(spark, str(output.path), output.format):
        return True
    try:
        return read_output(spark, output).limit(1).count() == 0
    except AnalysisException:  # a folder without any file in it yet
        return True


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


@functools.lru_cache(maxsize=64)  # a session does not change its default file system, and asking it takes 0.1 s
def qualified_path(spark: SparkSession, path: str) -> str:
    """Return a path with its scheme, as Spark's default file system resolves it.

    Spark names the resolved path in the error for a missing file, so a missing file below `path` is loaded.
    """
    missing = f"{path.rstrip('/')}/{uuid.uuid4().hex}"
    try:
        spark.read.format("binaryFile").load(missing).schema  # noqa: B018 - Spark Connect resolves the path only here
    except AnalysisException as err:
        resolved = (err.getMessageParameters() or {}).get("path", missing)
        return posixpath.dirname(resolved)
    return path
