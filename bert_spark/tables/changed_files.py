"""Write new versions of those files of an output that hold changed rows. Puts none of them in place.

A row stays in its file, and new rows get files of their own. So each file can take the place of its old version alone:
at no moment is an id missing or there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.schema import HIDDEN_PREFIX
from bert_spark.tables.sync_plan import ADDED, CHANGE, COLUMNS_CHANGED, ENCODED
from bert_spark.tables.sync_rows import FILE, ID, SyncedColumns
from bert_spark.tables.writers import overwrite_files, sized_files, vector_options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


NUMBER = f"{HIDDEN_PREFIX}file"  # partition of the new versions: the place of the old file in a list
SMALL_BYTES = 64_000_000  # new rows are written into the smallest file as long as it stays smaller


def file_of_new_rows(spark: SparkSession, stored: DataFrame, rows: int, new_rows: int) -> str | None:
    """Return the file that new rows are added to; None if they get files of their own.

    Otherwise each run would leave some small files more.

    Parameters
    ----------
    spark, stored
        The session and the output.
    rows, new_rows
        Rows of the output, and rows to add.
    """
    files = literal_paths(stored.inputFiles())
    if not files or not rows or not new_rows:
        return None
    sizes = spark.read.format("binaryFile").load(files).select("_metadata.file_path", "length").collect()
    smallest = min(sizes, key=lambda file: (file[1], file[0]))
    expected = smallest[1] + new_rows * sum(file[1] for file in sizes) / rows
    return str(smallest[0]) if expected <= SMALL_BYTES else None


def write_new_versions(
    spark: SparkSession, files: Sequence[str], plan: DataFrame, upserts: DataFrame, columns: SyncedColumns, target: str
) -> None:
    """Write the new version of each file to `target`/NUMBER=n, where n is the file's place in `files`.

    A file without rows gets none.

    Parameters
    ----------
    spark
        The session.
    files
        The files that hold changed rows, as Spark names them.
    plan
        ID, CHANGE and FILE of the changed rows.
    upserts
        The rows to add or to replace: ID, and the columns of the output.
    columns
        The columns of the output.
    target
        A folder.
    """
    numbers = spark.createDataFrame([(file, n) for n, file in enumerate(files)], f"{FILE} string, {NUMBER} int")
    placed = plan.where(F.col(CHANGE).isin(*ENCODED, COLUMNS_CHANGED) & F.col(FILE).isNotNull())
    replaced = upserts.join(placed.select(ID, FILE), ID)
    old = columns.with_id(spark.read.parquet(*literal_paths(files)).withColumn(FILE, F.col("_metadata.file_path")))
    stay = old.join(plan.select(ID), ID, "left_anti")
    stay = stay.select(FILE, *columns.of_output(stay))
    both = replaced.drop(ID).unionByName(stay, allowMissingColumns=True).join(F.broadcast(numbers), FILE)
    rows = both.select(*columns.of_output(both), NUMBER).repartition(len(files), NUMBER)
    writer = rows.write.mode("overwrite").option("maxRecordsPerFile", 0)  # one file, which takes the place of one
    writer.options(**vector_options(rows.schema)).partitionBy(NUMBER).parquet(target)


def write_new_rows(
    spark: SparkSession, plan: DataFrame, upserts: DataFrame, columns: SyncedColumns, output: OutputConfig, target: str
) -> list[str]:
    """Write the rows that get files of their own to the folder `target`; return the names of these files.

    Spark writes a file without rows too if its first task has none. It is left out unless there is no other.

    Parameters
    ----------
    spark, plan, upserts, columns, target
        As in `write_new_versions`.
    output
        The output, whose size of files is heeded.
    """
    added = plan.where((F.col(CHANGE) == ADDED) & F.col(FILE).isNull()).select(ID)
    rows = upserts.join(added, ID, "left_semi")
    with sized_files(spark, rows.select(*columns.of_output(rows)), output) as sized:
        overwrite_files(sized, target)
    written = spark.read.parquet(target)
    filled = written.select("_metadata.file_path").distinct().collect()
    return sorted(map(file_name, [row[0] for row in filled] or written.inputFiles()[:1]))


def file_name(uri: str) -> str:
    """Return the name of a file in its folder."""
    return unquote(uri).rpartition("/")[2]
