"""New files or table rows as a stream, with the columns that the first run saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import ConfigError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.runs.file_columns import column_differences, columns_of_files
from bert_spark.runs.unread_files import UnreadFiles
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.readers import reader_options, rename_text_value
from bert_spark.tables.schema import HIDDEN_PREFIX, check_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


FILE_COLUMN = f"{HIDDEN_PREFIX}file"  # in staged rows: the file that a row was read from
MAX_FILE_AGE = "36500d"  # Spark's own 7 days would pass over a file that arrives with an old date


@dataclass(frozen=True)
class StreamSource:
    """What an incremental run reads: the input, its columns, and what is new in it.

    Parameters
    ----------
    source
        The input.
    schema
        Its pinned columns.
    new
        What was there when their columns were looked at.
    pin
        What the checkpoint has kept beside Spark's own files.
    """

    source: InputConfig
    schema: T.StructType
    new: UnreadFiles
    pin: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its format."""
        return input_format(self.source)

    def stream(self, spark: SparkSession, schedule: ScheduleConfig) -> DataFrame:
        """Return what is new as a streaming DataFrame; each row says in a hidden column which file it is from."""
        kind, path = self.kind, str(self.source.path)
        reader = spark.readStream.option("maxFilesPerTrigger", schedule.max_files).option("maxFileAge", MAX_FILE_AGE)
        if schedule.max_bytes is not None:
            if spark.version < "4":
                raise ConfigError(f"--max-bytes needs Spark 4; this is {spark.version}: set --max-files")
            reader = spark.readStream.option("maxBytesPerTrigger", schedule.max_bytes).option(
                "maxFileAge", MAX_FILE_AGE
            )
        if kind == "table":
            df = reader.table(path)
        else:
            reader = reader.format(kind).options(**reader_options(spark, self.source, kind))
            reader = reader if kind == "delta" else reader.schema(self.schema)  # Delta takes none but its own
            df = rename_text_value(reader.load(path), self.source, kind)
        check_text_column(df, self.source.text_column)
        return df.select("*", F.col("_metadata.file_path").alias(FILE_COLUMN))

    def reread(self, spark: SparkSession, files: list[str]) -> DataFrame:
        """Return the records of some files once more, without BERT, to be counted; those of a table say their file."""
        kind, path = self.kind, str(self.source.path)
        if kind in ("table", "delta"):
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            file = F.col("_metadata.file_path")
            return table.where(file.isin(files)).select("*", file.alias(FILE_COLUMN))
        reader = spark.read.format(kind).options(**reader_options(spark, self.source, kind))
        reader = reader if kind == "text" else reader.schema(self.schema)
        return rename_text_value(reader.load(literal_paths(files)), self.source, kind)

    def dropped(self, spark: SparkSession, files: list[str]) -> list[str]:
        """Say what columns of staged files the rows lack, of those that came after the columns were looked at."""
        late = [] if self.kind in ("table", "delta") else sorted(set(files) - self.new.files)
        return late and column_differences(
            columns_of_files(spark, self.source, late), self.schema, self.source, late, typed=not self.pin["given"]
        )
