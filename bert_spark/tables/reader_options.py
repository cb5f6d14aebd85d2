"""The options and the schema with which Spark reads each format.

With them one record is one row, malformed records included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import name_suffix
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


# If a missing text and an empty one are spelt alike, Spark reads a quoted empty text as missing. No file holds this
# spelling of a missing text.
_NULL_MARKER = "\ue000bert_spark:null\ue000"


def reader_options(spark: SparkSession, config: InputConfig, kind: str) -> dict[str, str]:
    """Return the options of Spark's reader for a format.

    In csv a quote inside quotes is doubled, as in RFC 4180. The first json file decides whether all are read as json
    lines or as arrays.

    Raises
    ------
    DataError
        If some json files hold an array and others hold lines.
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
            "enforceSchema": "false",  # otherwise a file with its columns in another order is read by position
        }
    if kind == "json":
        array = _holds_arrays(spark, path)
        encoding = {} if utf8 else {"encoding": config.encoding, "lineSep": "\n"}
        malformed = {"columnNameOfCorruptRecord": MALFORMED_COLUMN, "mode": "PERMISSIVE"}
        return {"multiLine": str(array).lower(), **malformed, **encoding}
    return {}


def input_schema(
    spark: SparkSession, config: InputConfig, kind: str, paths: Sequence[str] = (), **options: str
) -> T.StructType:
    """Return the columns of the input, or of some of its files; for csv and json with the column of malformed records.

    All columns of csv are strings, so that ids keep their digits.

    Parameters
    ----------
    spark, config, kind
        The session, the input and its format.
    paths
        Files to look at; by default the whole input.
    options
        More options of Spark's reader.

    Raises
    ------
    EmptyInputError
        If a csv input has no columns.
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


def rename_text_value(df: DataFrame, config: InputConfig, kind: str) -> DataFrame:
    """Return `df`; if it was read from text files, its only column gets the name of the text column."""
    return df.withColumnRenamed("value", config.text_column) if kind == "text" else df


def _holds_arrays(spark: SparkSession, path: str) -> bool:
    """Tell whether json files hold an array each, by the first file that is not blank.

    All files must then hold one: of a file of json lines among arrays, Spark reads the first record only, without an
    error.
    """
    # 64 characters of a line: a line may be the whole file
    first_character = F.substring(F.regexp_replace("start", r"^[\s\x{feff}]+", ""), 1, 1).alias("begins")
    try:
        lines = spark.read.text(path).select(F.substring("value", 1, 64).alias("start"), "_metadata")
        lines = lines.where(F.col("start").rlike(r"[^\s\x{feff}]"))
        first = lines.select(first_character).take(1)
        if not first or first[0].begins != "[":
            return False
        position = F.struct("_metadata.file_block_start", F.monotonically_increasing_id()).alias("position")
        files = lines.select(first_character, "_metadata.file_path", position).groupBy("file_path")
        file_of_lines = files.agg(F.min_by("begins", "position").alias("begins")).where("begins != '['").first()
    except AnalysisException:  # a pattern that matches no file yet
        return False
    if file_of_lines is not None:
        raise DataError(
            f"{path!r} holds files of a json array and files of json lines, such as {file_of_lines.file_path!r}; "
            "read them as two inputs"
        )
    return True
