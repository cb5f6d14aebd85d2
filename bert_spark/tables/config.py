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
    text_column: str = option(
        "text",
        "column that holds the text; tweet.full_text is a field of a struct; of several columns, separated by commas, "
        "the first that is not null is read; without it and without a column text, the only column of strings is read",
    )
    id_column: str | None = option(None, "column that identifies a row; the job fails if the input lacks it")
    delimiter: str = option(",", "character that separates the columns of csv files", aliases=("--sep",))
    encoding: str = option(
        "UTF-8", "character encoding of csv, json and text files; any that Java has, such as windows-1252"
    )
    header: bool | None = option(
        None, "whether the first line of a csv file names its columns; by default yes, unless --columns is set"
    )
    columns: str | None = option(
        None, "names of the columns of csv files, separated by commas; with --header they replace those of the files"
    )
    quote: str = option('"', "character around csv values that hold a delimiter or line end; '' if there is none")
    escape: str | None = option(
        None,
        "character before a quote inside quotes in csv files; by default the quote itself, or a backslash where the "
        "first lines of the files have it",
    )
    null_value: tuple[str, ...] = option(
        (), "value of a text that is missing, such as NA or \\N; for several values, repeat the option"
    )
    records: str | None = option(
        None, "column that holds an array of records, such as data in pages of an API; each becomes a row"
    )
    fail_on_malformed: bool = option(False, "fail before any work if a record cannot be parsed")
    partition_mb: float | None = option(
        None, "megabytes of text per Spark task; by default chosen from the size of the input files"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "null_value", tuple(self.null_value))  # TOML has lists
        if self.partition_mb is not None and self.partition_mb <= 0:
            raise ConfigError(f"partition_mb={self.partition_mb} is too small; expected more than 0")
        if not self.delimiter:
            raise ConfigError("delimiter='' is empty; expected a character such as , or \\t")
        for name in ("quote", "escape"):
            if len(getattr(self, name) or "") > 1:
                raise ConfigError(f"{name}={getattr(self, name)!r} is too long; expected one character")
        if self.quote and self.quote == self.delimiter:
            raise ConfigError(f"got {self.quote!r} as quote and as delimiter; expected two different characters")
        names = self.column_names
        if len({name.lower() for name in names}) < len(names) or "" in names:
            raise ConfigError(f"columns={self.columns!r}: a name is empty or doubled; expected e.g. id,text,label")
        if self.format not in ("auto", "csv") and (names or self.header is not None):
            raise ConfigError(f"got --header or --columns with --format {self.format}; they are for csv files only")

    @property
    def is_utf8(self) -> bool:
        """Whether the encoding is UTF-8, by any of its names."""
        return self.encoding.upper() in ("UTF-8", "UTF8")

    @property
    def column_names(self) -> list[str]:
        """The names that `columns` gives; empty if it is not set."""
        return [] if self.columns is None else [name.strip() for name in self.columns.split(",")]

    @property
    def has_header(self) -> bool:
        """Whether the first record of each csv file holds names instead of data."""
        return self.columns is None if self.header is None else self.header


@dataclass(frozen=True)
class OutputConfig:
    """Where the result is written, and which columns it has."""

    path: str | None = option(None, "folder or table name", flag="--output")
    format: str = option("parquet", "parquet, table, or any format on Spark's classpath", flag="--output-format")
    if_exists: str = option("error", "what to do if the output already exists", choices=IF_EXISTS)
    diagnostics: bool = option(False, "add the columns token_count, truncated and unknown_share")
    error_column: str = option("error", "name of the column that says why a row has no vector or label")
    trust_output: bool = option(
        False, "add rows to an output that does not say which model made the rows in it: they are this model's"
    )
    keep_order: bool = option(
        False, "add the column row_number: the place of each record in the files, from 0, in order of their paths"
    )
    target_file_mb: float | None = option(
        None, "size of the output files in megabytes; by default each Spark task writes one file"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_file_mb is not None and self.target_file_mb <= 0:
            raise ConfigError(f"target_file_mb={self.target_file_mb} is too small; expected more than 0")
