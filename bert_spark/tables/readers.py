"""Read a table of tweets so that one record is one row, malformed ones included. A wrong path or column is an error
before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format, name_suffix
from bert_spark.tables.schema import MALFORMED_COLUMN, check_text_column, exact_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


# Spark takes a quoted empty text for a missing one where the two are spelt alike: missing is spelt as nobody would.
_NULL_MARKER = "\ue000bert_spark:null\ue000"


def read_input(spark: SparkSession, config: InputConfig) -> DataFrame:
    """Return the input as a DataFrame; nothing is parsed yet but a header or a schema.

    A csv or json record that can't be parsed keeps its row: its raw text stands in a column of its own, which
    `with_embedding` and `with_score` turn into an error and the row's text.

    Raises
    ------
    ConfigError
        When no input is given.
    DataError
        When it is not there or can't be read as set, lacks the text or id column, or holds malformed records and
        `fail_on_malformed` is set.
    EmptyInputError
        A DataError: when it holds nothing, not even the names of columns.
    """
    if config.path is None:
        raise ConfigError("no input given; pass --input, or set [input] path")
    kind = input_format(config)
    try:
        df = _load(spark, config, kind)
        df.schema  # noqa: B018 - Connect looks only now
    except (PySparkException, Py4JJavaError) as err:
        if "UNABLE_TO_INFER_SCHEMA" in str(err):
            raise EmptyInputError(f"{config.path!r} holds no {kind} files (--format)") from err
        raise DataError(f"can't read {_described(config, kind)}: {spark_reason(err)}") from err
    if kind != "table" and not set(df.columns) - {MALFORMED_COLUMN}:
        if spark.read.text(str(config.path)).where(F.col("value").rlike(r"[^\s\[\]\x{feff}]")).take(1):
            raise DataError(f"none of the records in {config.path!r} has a column of its own; is it {kind} (--format)?")
        raise EmptyInputError(f"{config.path!r} holds no records")
    if kind == "csv" and len(df.columns) == 2 and config.text_column not in df.columns:
        raise DataError(
            f"{config.path!r} has one column, {df.columns[0]!r}, where {config.delimiter!r} parts the columns; "
            "set --delimiter, or --text-column to that column"
        )
    check_text_column(df, config.text_column)
    if config.id_column is not None and config.id_column not in df.columns:
        found = [name for name in df.columns if name != MALFORMED_COLUMN]
        raise DataError(f"column {config.id_column!r} not found; the table has {found}; set --id-column")
    if config.fail_on_malformed:
        _refuse_malformed(df, config)
    return df


def _described(config: InputConfig, kind: str) -> str:
    """Return what was to be read as what, and which options say so."""
    encoding = f" in {config.encoding} (--encoding)" if kind in ("csv", "json") else ""
    return f"{config.path!r} as {kind} (--format){encoding}"


def spark_reason(err: Exception) -> str:
    """Return the line in which Spark says why: of a stack of Java, the last cause."""
    lines = [line for line in str(err).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return causes[-1] if causes else lines[0] if lines else type(err).__name__


def _load(spark: SparkSession, config: InputConfig, kind: str) -> DataFrame:
    path = str(config.path)
    if kind == "table":
        return spark.table(path)
    reader = spark.read.format(kind).options(**reader_options(spark, config, kind))
    if kind == "csv":
        reader = reader.schema(input_schema(spark, config, kind))
    return rename_text_value(reader.load(path), config, kind)


def rename_text_value(df: DataFrame, config: InputConfig, kind: str) -> DataFrame:
    """Return `df` with the column of a text file under the name of the text column."""
    return df.withColumnRenamed("value", config.text_column) if kind == "text" else df


def reader_options(spark: SparkSession, config: InputConfig, kind: str) -> dict[str, str]:
    """Return what Spark's reader is told of a format. Of json files, the first tells lines from arrays.

    Quotes are doubled inside quotes, as RFC 4180 has it.
    """
    path = str(config.path)
    utf8 = config.encoding.upper() == "UTF-8"
    if kind == "csv":
        return {
            "header": "true",
            "multiLine": "true",
            "quote": '"',
            "escape": '"',
            "sep": "\t" if name_suffix(path) == "tsv" and config.delimiter == "," else config.delimiter,
            "encoding": config.encoding,
            "mode": "PERMISSIVE",
            "columnNameOfCorruptRecord": MALFORMED_COLUMN,
            "maxCharsPerColumn": "-1",
            "nullValue": _NULL_MARKER,
            "enforceSchema": "false",  # else a file whose columns stand in another order is read by position
        }
    if kind == "json":
        array = _holds_arrays(spark, path)
        other = {} if utf8 else {"encoding": config.encoding, "lineSep": "\n"}
        malformed = {"columnNameOfCorruptRecord": MALFORMED_COLUMN, "mode": "PERMISSIVE"}
        return {"multiLine": str(array).lower(), **malformed, **other}
    if kind == "text" and not utf8:
        raise ConfigError(f"encoding={config.encoding!r} can't be had of text files; convert them to UTF-8 first")
    return {}


def _holds_arrays(spark: SparkSession, path: str) -> bool:
    """Tell whether json files hold an array each, by the first that holds anything; they must all be alike then.

    Of a file of lines among arrays Spark reads the first record only, in silence.
    """
    # 64 characters of a line: it may be the whole file
    begins = F.substring(F.regexp_replace("start", r"^[\s\x{feff}]+", ""), 1, 1).alias("begins")
    try:
        lines = spark.read.text(path).select(F.substring("value", 1, 64).alias("start"), "_metadata")
        lines = lines.where(F.col("start").rlike(r"[^\s\x{feff}]"))
        first = lines.select(begins).take(1)
        if not first or first[0].begins != "[":
            return False
        place = F.struct("_metadata.file_block_start", F.monotonically_increasing_id())
        files = lines.select(begins, "_metadata.file_path", place.alias("place"))
        other = (
            files.groupBy("file_path").agg(F.min_by("begins", "place").alias("begins")).where("begins != '['").first()
        )
    except AnalysisException:  # a pattern that nothing fits yet
        return False
    if other is not None:
        raise DataError(
            f"{path!r} holds files of a json array, and others of lines, like {other.file_path!r}; read them apart"
        )
    return True


def input_schema(
    spark: SparkSession, config: InputConfig, kind: str, paths: Sequence[str] = (), **options: str
) -> T.StructType:
    """Return the columns of the input, or of some files of it, with the one of malformed records where there is such.

    Those of csv are all strings, so that ids keep their digits.
    """
    path = str(config.path)
    reader = spark.read.format(kind).options(**reader_options(spark, config, kind), **options)
    df = reader.load(list(paths) or path)
    fields = [field for field in df.schema.fields if field.name != MALFORMED_COLUMN]
    if kind == "csv":
        if not fields:
            raise EmptyInputError(f"{path!r} is empty; expected a first line with the names of the columns")
        fields = [T.StructField(field.name, T.StringType()) for field in fields]
    if kind in ("csv", "json"):
        fields.append(T.StructField(MALFORMED_COLUMN, T.StringType()))
    return T.StructType(fields)


def _refuse_malformed(df: DataFrame, config: InputConfig) -> None:
    if MALFORMED_COLUMN not in df.columns:
        return
    # Spark refuses a csv query of the malformed column alone
    counts = df.agg(F.count(F.col(MALFORMED_COLUMN)), F.count(exact_column(config.text_column))).first()
    if counts and counts[0]:
        raise DataError(
            f"{config.path!r} holds {counts[0]} malformed records; mend them, or leave --fail-on-malformed out: "
            "they keep their rows, with error = 'malformed row' and their raw text"
        )
