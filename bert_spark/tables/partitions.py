"""Replace and count single partitions of an output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.errors import DataError
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import path_exists, read_output
from bert_spark.tables.ownership import mark_owner
from bert_spark.tables.schema import HIDDEN_PREFIX
from bert_spark.tables.writers import sized_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def check_partition_column(spark: SparkSession, output: OutputConfig, name: str) -> None:
    """Refuse an output that is there but not made of partitions by `name`."""
    if not path_exists(spark, str(output.path), output.format):
        return
    try:
        columns = read_output(spark, output).columns
    except AnalysisException:
        return
    if name not in columns:
        raise DataError(
            f"output {output.path!r} has no column {name!r}: it was not written by runs of this kind; days, increments "
            "and plain runs each need an --output of their own"
        )


def replace_partition(spark: SparkSession, rows: DataFrame, output: OutputConfig, partition: str) -> int:
    """Put `rows` in place of one partition, "name=value", and return how many are there then.

    In one step where the format can (Delta, Iceberg); in a folder of Parquet files the old ones go just before the new
    come.
    """
    name, _, value = partition.partition("=")
    rows = rows.drop(*(column for column in rows.columns if column.startswith(HIDDEN_PREFIX)))
    literal = value if value.isdigit() else f"DATE'{value}'"
    path = str(output.path)
    with sized_files(spark, rows, output) as sized:
        _write_partition(spark, sized, output, name, literal, f"{path.rstrip('/')}/{partition}")
    return count_partition_rows(spark, output, partition)


def _write_partition(
    spark: SparkSession, rows: DataFrame, output: OutputConfig, name: str, literal: str, folder: str
) -> None:
    path = str(output.path)
    if output.format == "table":
        keyed = rows.selectExpr("*", f"{literal} AS {name}")
        if not spark.catalog.tableExists(path):
            keyed.limit(0).write.partitionBy(name).saveAsTable(path)
        mark_owner(spark, rows, output)
        there = [column for column in spark.table(path).columns if column != name]
        lost = [column for column in rows.columns if column.lower() not in map(str.lower, there)]
        if lost:
            raise DataError(
                f"table {path} has no columns {lost}, which this run's rows have; add them (ALTER TABLE {path} ADD "
                "COLUMNS) and run again, which needs no BERT, or write to another --output"
            )
        columns = ", ".join(f"`{column}`" for column in there)
        rows.createOrReplaceTempView("bert_spark_staged")
        spark.sql(
            f"INSERT OVERWRITE TABLE {path} PARTITION ({name} = {literal}) SELECT {columns} FROM bert_spark_staged"
        )
        spark.catalog.dropTempView("bert_spark_staged")
    elif output.format == "delta":
        keyed = rows.selectExpr("*", f"{literal} AS {name}")
        replaced = {"replaceWhere": f"{name} = {literal}"}
        keyed.write.format("delta").mode("overwrite").options(**replaced).partitionBy(name).save(path)
    else:
        rows.write.mode("overwrite").format(output.format).save(folder)


def count_partition_rows(spark: SparkSession, output: OutputConfig, partition: str) -> int:
    """Return how many rows one partition, "name=value", of an output holds."""
    name, _, value = partition.partition("=")
    if output.format not in ("table", "delta"):
        path = f"{str(output.path).rstrip('/')}/{partition}"
        return spark.read.format(output.format).load(path).count() if path_exists(spark, path, output.format) else 0
    if not path_exists(spark, str(output.path), output.format):
        return 0
    literal = value if value.isdigit() else f"DATE'{value}'"
    return read_output(spark, output).where(f"{name} = {literal}").count()
