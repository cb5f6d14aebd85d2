"""Write a result as one action, which runs the whole plan once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.sql.types import ArrayType, FloatType

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.iceberg_branches import UNMOVED, is_iceberg
from bert_spark.tables.ownership import mark_owner, owner_of
from bert_spark.tables.provenance import TEXT_KEY
from bert_spark.tables.references import find_columns
from bert_spark.tables.schema import drop_hidden
from bert_spark.tables.session_settings import session_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


ADVISORY_SIZE = "spark.sql.adaptive.advisoryPartitionSizeInBytes"
# If this is true, Spark keeps at least as many tasks as there are cores, and ignores the advisory size.
PARALLELISM_FIRST = "spark.sql.adaptive.coalescePartitions.parallelismFirst"


def write_output(df: DataFrame, output: OutputConfig, finish: Callable[[DataFrame], DataFrame] = drop_hidden) -> None:
    """Write a result to a folder or table, as one action.

    Parameters
    ----------
    df
        The result.
    output
        The folder or table.
    finish
        Applied in the tasks that write the files: what it counts is what is written.
    """
    with sized_files(df.sparkSession, df, output) as rows:
        writer = finish(rows).write.mode(output.if_exists)
        if output.format == "table":
            if is_iceberg(df.sparkSession, str(output.path)):
                writer = writer.options(**UNMOVED)
            writer.saveAsTable(str(output.path))
            mark_owner(df.sparkSession, owner_of(df.schema), output)
        else:
            writer.format(output.format).options(**vector_options(df.schema)).save(output.path)


def overwrite_files(rows: DataFrame, path: str) -> None:
    """Write rows as Parquet files of a folder, in place of those that it has."""
    rows.write.mode("overwrite").options(**vector_options(rows.schema)).parquet(path)


def vector_options(schema: StructType) -> dict[str, str]:
    """Return options of a Parquet writer: no dictionaries of vectors and their texts, no statistics of vectors.

    Both hardly repeat. A writer fills a dictionary with the first 1 MB of a column, gives it up, and writes them again:
    70 ms a file for vectors. No reader asks for the least and the largest number of all vectors. Parquet does not find
    a column with a dot in its name, and Spark 3.5's always makes statistics.
    """
    vectors = [field for field in schema if field.dataType == ArrayType(FloatType())]
    numbers = [f"{field.name}.list.element" for field in vectors]
    embedded = [field.metadata[TEXT_KEY] for field in vectors if TEXT_KEY in field.metadata]
    texts = [".".join(path) for reference in embedded for path in find_columns(schema, reference)]
    options = [("enable.dictionary", name) for name in numbers + texts]
    options += [(f"{kind}.statistics.enabled", name) for kind in ("column", "size") for name in numbers]
    return {f"parquet.{option}#{name}": "false" for option, name in options}


@contextmanager
def sized_files(spark: SparkSession, rows: DataFrame, output: OutputConfig) -> Iterator[DataFrame]:
    """Yield `rows` in tasks of `target_file_mb` each, since a task writes one file.

    Rows are distributed round-robin and small tasks are merged by their bytes. Rows that BERT computes must be stored
    before: it would run twice for a sort, and a task that ran again would distribute its rows in another way. The
    session's settings are restored at the end.
    """
    if output.target_file_mb is None:
        yield rows
        return
    wanted = {ADVISORY_SIZE: f"{int(output.target_file_mb * 1e6)}b", PARALLELISM_FIRST: "false"}
    with session_settings(spark, wanted):
        yield rows.hint("rebalance")
