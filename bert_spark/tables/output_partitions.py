"""Replace and count single partitions of an output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.errors import DataError
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import has_partitions_by, output_schema, path_exists, read_output, rows_in_footers
from bert_spark.tables.ownership import mark_owner, owner_of
from bert_spark.tables.schema import drop_hidden
from bert_spark.tables.writers import sized_files, vector_options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Partition:
    """One value of the partition column of an output."""

    column: str
    value: str

    @classmethod
    def parse(cls, partition: str) -> Partition:
        """Return the partition of a folder's name, "column=value"."""
        column, _, value = partition.partition("=")
        return cls(column, value)

    @property
    def literal(self) -> str:
        """The value in SQL: a number or a date."""
        return self.value if self.value.isdigit() else f"DATE'{self.value}'"

    @property
    def condition(self) -> str:
        """The SQL condition that selects its rows."""
        return f"{self.column} = {self.literal}"

    @property
    def alias(self) -> str:
        """The value in SQL, named as the column."""
        return f"{self.literal} AS {self.column}"

    def folder(self, output: OutputConfig) -> str:
        """Return its folder in an output that is a folder of files."""
        return f"{str(output.path).rstrip('/')}/{self.column}={self.value}"


def check_partition_column(spark: SparkSession, output: OutputConfig, name: str) -> None:
    """Raise DataError if an output exists but has no partition column `name`."""
    if not path_exists(spark, str(output.path), output.format):
        return
    if has_partitions_by(spark, output, name):
        return
    try:
        columns = output_schema(spark, output).names
    except AnalysisException:  # a folder without any file in it yet
        return
    if name not in columns:
        raise DataError(
            f"output {output.path!r} has no column {name!r}: it was written by another kind of run; runs by day, "
            "incremental runs and plain runs each need their own --output"
        )


def replace_partition(spark: SparkSession, rows: DataFrame, output: OutputConfig, partition: str) -> int:
    """Replace one partition by `rows` and return how many rows it then holds.

    Delta and Iceberg replace it in one step. In a folder of Parquet files the old files are removed just before the new
    ones appear.

    Parameters
    ----------
    spark
        The session.
    rows
        The new rows, without the partition column. Hidden columns are dropped.
    output
        The output that holds the partition.
    partition
        "column=value".

    Raises
    ------
    DataError
        If an output table lacks one of the columns of `rows`.
    """
    target = Partition.parse(partition)
    with sized_files(spark, drop_hidden(rows), output) as sized:
        if output.format == "table":
            _replace_in_table(spark, sized, output, target)
        elif output.format == "delta":
            _replace_in_delta(sized, output, target)
        else:
            writer = sized.write.mode("overwrite").options(**vector_options(rows.schema))
            writer.format(output.format).save(target.folder(output))
    return count_partition_rows(spark, output, partition)


def _replace_in_table(spark: SparkSession, rows: DataFrame, output: OutputConfig, target: Partition) -> None:
    path = str(output.path)
    create_table(spark, rows, output, target)
    mark_owner(spark, owner_of(rows.schema), output)
    rows_for_table(spark, rows, output, target).drop(target.column).createOrReplaceTempView("bert_spark_staged")
    spark.sql(f"INSERT OVERWRITE TABLE {path} PARTITION ({target.condition}) SELECT * FROM bert_spark_staged")
    spark.catalog.dropTempView("bert_spark_staged")


def create_table(spark: SparkSession, rows: DataFrame, output: OutputConfig, target: Partition) -> None:
    """Create an empty table with the columns of `rows` and the partition's, unless it exists. No row is computed."""
    if not spark.catalog.tableExists(str(output.path)):
        schema = rows.selectExpr("*", target.alias).schema
        spark.createDataFrame([], schema).write.partitionBy(target.column).saveAsTable(str(output.path))


def rows_for_table(spark: SparkSession, rows: DataFrame, output: OutputConfig, target: Partition) -> DataFrame:
    """Return rows of a partition with the columns of an existing table; raise as `check_table_columns` does."""
    check_table_columns(spark, rows.columns, output)
    names = [f"`{column}`" for column in spark.table(str(output.path)).columns if column != target.column]
    return rows.selectExpr(*names, target.alias)


def check_table_columns(spark: SparkSession, names: Sequence[str], output: OutputConfig) -> None:
    """Raise DataError if an existing table lacks one of these columns."""
    path = str(output.path)
    table_columns = spark.table(path).columns
    missing = [column for column in names if column.lower() not in map(str.lower, table_columns)]
    if missing:
        raise DataError(
            f"table {path} has no columns {missing}, which this run's rows have; add them (ALTER TABLE {path} ADD "
            "COLUMNS) and run again, which encodes no row that is staged, or pass another --output"
        )


def _replace_in_delta(rows: DataFrame, output: OutputConfig, target: Partition) -> None:
    with_key = rows.selectExpr("*", target.alias)
    writer = with_key.write.format("delta").mode("overwrite").option("replaceWhere", target.condition)
    writer.partitionBy(target.column).save(str(output.path))


def count_partition_rows(spark: SparkSession, output: OutputConfig, partition: str) -> int:
    """Return how many rows one partition, "column=value", of an output holds."""
    target = Partition.parse(partition)
    if output.format not in ("table", "delta"):
        rows = rows_in_footers(spark, target.folder(output)) if output.format == "parquet" else None
        if rows is not None:
            return rows
        if not path_exists(spark, target.folder(output), output.format):
            return 0
        try:
            return spark.read.format(output.format).load(target.folder(output)).count()
        except AnalysisException:  # no folder, or one in which a killed write has left no complete file
            return 0
    if not path_exists(spark, str(output.path), output.format):
        return 0
    return read_output(spark, output).where(target.condition).count()
