"""The settings of input and output tables, checked when they are created."""

from __future__ import annotations

from dataclasses import dataclass

from bert_spark.errors import ConfigError
from bert_spark.settings import check_fields, option

INPUT_FORMATS = ("auto", "csv", "json", "parquet", "text", "table", "delta", "orc")
DATE_PLACEHOLDER = "{run_date}"  # in the path of an input that has one path for each day
IF_EXISTS = ("error", "overwrite", "append")


@dataclass(frozen=True)
class InputConfig:
    """Where the tweets are, and which of their columns are read."""

    path: str | None = option(None, "file, folder, glob pattern or table name", flag="--input")
    format: str = option(
        "auto", "format of the input; auto takes it from the file ending, else reads a table", choices=INPUT_FORMATS
    )
    text_column: str = option("text", "column that holds the text")
    id_column: str | None = option(None, "column that identifies a row; the job fails if the input lacks it")
    delimiter: str = option(",", "character that separates the columns of csv files")
    encoding: str = option("UTF-8", "character encoding of csv and json files")
    fail_on_malformed: bool = option(False, "fail before any work if a record cannot be parsed")
    partition_mb: float | None = option(
        None, "megabytes of text per Spark task; by default chosen from the size of the input files"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.partition_mb is not None and self.partition_mb <= 0:
            raise ConfigError(f"partition_mb={self.partition_mb} is too small; expected more than 0")


@dataclass(frozen=True)
class OutputConfig:
    """Where the result is written, and which columns it has."""

    path: str | None = option(None, "folder or table name", flag="--output")
    format: str = option("parquet", "parquet, table, or any format on Spark's classpath", flag="--output-format")
    if_exists: str = option("error", "what to do if the output already exists", choices=IF_EXISTS)
    diagnostics: bool = option(False, "add the columns token_count, truncated and unknown_share")
    error_column: str = option("error", "name of the column that says why a row has no vector or label")
    target_file_mb: float | None = option(
        None, "size of the output files in megabytes; by default each Spark task writes one file"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_file_mb is not None and self.target_file_mb <= 0:
            raise ConfigError(f"target_file_mb={self.target_file_mb} is too small; expected more than 0")
