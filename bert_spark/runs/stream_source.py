"""Read new files or table rows as a stream, with the pinned columns, and read single files again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.runs.new_file_columns import column_differences, columns_of_files
from bert_spark.runs.new_files import NewFiles
from bert_spark.runs.stage import FILE_COLUMN, FILE_SIZE_COLUMN, FILE_TIME_COLUMN
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.reader_options import reader_options
from bert_spark.tables.records import as_records
from bert_spark.tables.repartitioning import DEFAULT_PARTITIONS, partition_count
from bert_spark.tables.schema import check_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


MAX_FILE_AGE = "36500d"  # Spark's default, 7 days, would skip a file that arrives with an old date


@dataclass(frozen=True)
class StreamSource:
    """What an incremental run reads: the input, its columns, and what is new in it.

    Parameters
    ----------
    input
        The settings of the input.
    schema
        Its pinned columns.
    new
        What was new when its columns were checked. Files may arrive after that.
    pin
        What the checkpoint stores besides Spark's own files.
    """

    input: InputConfig
    schema: T.StructType
    new: NewFiles
    pin: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The input's format."""
        return input_format(self.input)

    @property
    def is_table(self) -> bool:
        """Whether the input is a table. Its format keeps track of its files, which never change."""
        return self.kind in ("table", "delta")

    def tasks_per_batch(self, schedule: ScheduleConfig) -> int:
        """Return over how many tasks the rows of one micro-batch are spread, by its bytes of text."""
        size, files = self.new.size, len(self.new.files)
        if size is None:
            return DEFAULT_PARTITIONS
        if schedule.max_bytes is not None:
            size = min(size, schedule.max_bytes)
        elif files > schedule.max_files:
            size = size * schedule.max_files // files
        return partition_count(size, self.input.partition_mb)

    def read_stream(self, spark: SparkSession, schedule: ScheduleConfig) -> DataFrame:
        """Return what is new as a streaming DataFrame. Hidden columns hold the file of each row.

        Raises
        ------
        ConfigError
            If `--max-bytes` is set and Spark is older than 4.
        """
        kind, path = self.kind, str(self.input.path)
        if schedule.max_bytes is None:
            reader = spark.readStream.option("maxFilesPerTrigger", schedule.max_files)
        elif spark.version < "4":
            raise ConfigError(f"--max-bytes needs Spark 4; this is {spark.version}: set --max-files")
        else:
            reader = spark.readStream.option("maxBytesPerTrigger", schedule.max_bytes)
        reader = reader.option("maxFileAge", MAX_FILE_AGE)
        if kind == "table":
            df = reader.table(path)
        else:
            reader = reader.format(kind).options(**reader_options(spark, self.input, kind, self.new.layout))
            reader = reader if kind == "delta" else reader.schema(self.schema)  # Delta accepts only its own columns
            df = reader.load(path)
        records = as_records(self._with_file(df), self.input, kind, self.new.layout)
        check_text_column(records, self.input.text_column)
        return records

    def reread(self, spark: SparkSession, files: list[str]) -> DataFrame:
        """Return the records of some files again, with the same columns as those of the stream."""
        kind, path = self.kind, str(self.input.path)
        if self.is_table:
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            return as_records(self._with_file(table.where(F.col("_metadata.file_path").isin(files))), self.input, kind)
        layout = self.new.layout
        if kind == "csv" and not self.new.files.issuperset(files):  # a killed run read them
            _, layout = columns_of_files(spark, self.input, files)
        reader = spark.read.format(kind).options(**reader_options(spark, self.input, kind, layout))
        reader = reader if kind == "text" else reader.schema(self.schema)
        if kind != "text" and not set(path) & set("*?[{"):
            reader = reader.option("basePath", path)  # folders such as lang=en are columns
        return as_records(self._with_file(reader.load(literal_paths(files))), self.input, kind, layout)

    def _with_file(self, rows: DataFrame) -> DataFrame:
        """Return rows with hidden columns that hold their file and, unless it is a table's, the file's state."""
        columns = [F.col("_metadata.file_path").alias(FILE_COLUMN)]
        if not self.is_table:
            columns += [
                F.col("_metadata.file_size").alias(FILE_SIZE_COLUMN),
                F.unix_millis("_metadata.file_modification_time").alias(FILE_TIME_COLUMN),
            ]
        return rows.select("*", *columns)

    def dropped_columns(self, spark: SparkSession, files: list[str]) -> list[str]:
        """Describe the columns of staged files that the rows lack.

        Only files that arrived after the check of the columns can have such columns.
        """
        late = [] if self.is_table else sorted(set(files) - self.new.files)
        if not late:
            return []
        try:
            late_columns, _ = columns_of_files(spark, self.input, late)
        except DataError as err:  # their headers differ; the rows are read by then
            return [str(err)]
        return column_differences(late_columns, self.schema, self.input, late, compare_types=not self.pin["given"])
