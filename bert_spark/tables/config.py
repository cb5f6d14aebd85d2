"""The settings of input and output tables."""

from __future__ import annotations

from dataclasses import dataclass

from bert_spark.errors import ConfigError
from bert_spark.settings import check_fields, option

INPUT_FORMATS = ("auto", "csv", "json", "parquet", "text", "table", "delta", "orc")
IF_EXISTS = ("error", "overwrite", "append")


@dataclass(frozen=True)
class InputConfig:
    """Where the tweets are and which columns matter."""

    path: str | None = option(None, "file, folder, glob or table name", flag="--input")
    format: str = option("auto", "auto goes by the name's ending, else takes it for a table", choices=INPUT_FORMATS)
    text_column: str = option("text", "column that holds the text")
    id_column: str | None = option(None, "column that names a row; checked to be there")
    delimiter: str = option(",", "of csv")
    encoding: str = option("UTF-8", "of csv and json")
    fail_on_malformed: bool = option(False, "stop before any work where a record can't be parsed")
    partition_mb: float | None = option(None, "MB of text per task; by default from the size of the input's files")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.partition_mb is not None and self.partition_mb <= 0:
            raise ConfigError(f"partition_mb={self.partition_mb} is too small; expected more than 0")


@dataclass(frozen=True)
class OutputConfig:
    """Where the result goes and what is in it."""

    path: str | None = option(None, "folder or table name", flag="--output")
    format: str = option("parquet", "parquet, table, or any format on Spark's classpath", flag="--output-format")
    if_exists: str = option("error", "what to do when there is something already", choices=IF_EXISTS)
    diagnostics: bool = option(False, "add token_count, truncated and unknown_share")
    error_column: str = option("error", "name of the column of reasons")
    target_file_mb: float | None = option(None, "size of the files, in MB; by default a task writes one")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_file_mb is not None and self.target_file_mb <= 0:
            raise ConfigError(f"target_file_mb={self.target_file_mb} is too small; expected more than 0")
