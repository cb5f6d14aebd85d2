"""Bring staged changes into a table by one MERGE, which its format commits in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.errors import ConfigError
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.output_partitions import check_table_columns
from bert_spark.tables.outputs import table_provider
from bert_spark.tables.references import find_columns
from bert_spark.tables.row_digests import row_digest
from bert_spark.tables.schema import HIDDEN_PREFIX
from bert_spark.tables.sync_rows import ID, ROW, SyncedColumns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ATOMIC_FORMATS = ("delta", "iceberg", "hudi")  # change a table in one step, and keep its history; have MERGE INTO
_VIEW, _GONE = "bert_spark_changes", f"{HIDDEN_PREFIX}gone"


def ready_table(spark: SparkSession, output: OutputConfig, columns: SyncedColumns) -> bool:
    """Create the table if it does not exist, without rows, and check that its format has MERGE INTO.

    Returns
    -------
    bool
        Whether it existed.

    Raises
    ------
    ConfigError
        If its format has none. A table that was created is dropped again.
    DataError
        If it lacks a column.
    """
    table, exists = str(output.path), spark.catalog.tableExists(str(output.path))
    if not exists:
        spark.createDataFrame([], columns.schema).write.saveAsTable(table)
    provider = table_provider(spark, table)
    if provider not in ATOMIC_FORMATS:
        if not exists:
            spark.sql(f"DROP TABLE {table}")
        raise ConfigError(
            f"got --sync, but a table {table!r} has the format {provider or 'unknown'}, which has no MERGE INTO; "
            f"expected one of {list(ATOMIC_FORMATS)}. Name a table of a catalog of such a format, or a folder with "
            "--output-format parquet"
        )
    check_table_columns(spark, columns.schema.names, output)
    return exists


def merge_changes(
    spark: SparkSession, output: OutputConfig, removed: DataFrame, upserts: DataFrame, columns: SyncedColumns
) -> None:
    """Add, replace and remove rows of a table in one step. Other columns that the table has keep their values.

    Parameters
    ----------
    spark, output
        The session and the table.
    removed
        ID of the rows to remove.
    upserts
        The rows to add or to replace: ID, and the columns of the output.
    columns
        The columns of the output.
    """
    rows = upserts.select(ID, *columns.of_output(upserts), F.lit(False).alias(_GONE))
    gone = removed.select(ID, F.lit(True).alias(_GONE))
    rows.unionByName(gone, allowMissingColumns=True).createOrReplaceTempView(_VIEW)
    names = [_quoted(name) for name in columns.schema.names]
    spark.sql(
        f"MERGE INTO {output.path} t USING {_VIEW} s ON CAST({_id_in_sql(columns)} AS STRING) = s.{ID} "
        f"WHEN MATCHED AND s.{_GONE} THEN DELETE "
        f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{name} = s.{name}' for name in names)} "
        f"WHEN NOT MATCHED AND NOT s.{_GONE} THEN INSERT ({', '.join(names)}) "
        f"VALUES ({', '.join(f's.{name}' for name in names)})"
    )
    spark.catalog.dropTempView(_VIEW)


def holds_changes(stored: DataFrame, removed: DataFrame, upserts: DataFrame, columns: SyncedColumns) -> bool:
    """Tell whether a table has all changes already, as after a run that was killed once it had merged them.

    Parameters
    ----------
    stored
        The rows of the table.
    removed, upserts, columns
        As in `merge_changes`.
    """
    names = columns.schema.names
    rows = columns.with_id(stored)
    here = rows.join(upserts.select(ID), ID, "left_semi")
    found = here.select(ID, row_digest(here, names).alias(ROW))
    wanted = upserts.select(ID, row_digest(upserts, names).alias(ROW))
    return rows.join(removed, ID, "left_semi").isEmpty() and wanted.join(found, [ID, ROW], "left_anti").isEmpty()


def _id_in_sql(columns: SyncedColumns) -> str:
    return ".".join(map(_quoted, ("t", *find_columns(columns.schema, columns.id_column)[0])))


def _quoted(name: str) -> str:
    return "`{}`".format(name.replace("`", "``"))
