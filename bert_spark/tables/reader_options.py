"""The options and the schema with which Spark reads each format.

With them one record is one row, malformed records included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_layout import CsvLayout, csv_reader_options
from bert_spark.tables.json_layout import is_multi_line
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def reader_options(
    spark: SparkSession, config: InputConfig, kind: str, layout: CsvLayout | None = None
) -> dict[str, str]:
    """Return the options of Spark's reader for a format.

    The first json file decides whether a record is a line, or all files hold arrays or documents.

    Parameters
    ----------
    spark, config, kind
        The session, the input and its format.
    layout
        The layout of csv files, if it is known.

    Raises
    ------
    DataError
        If some json files hold an array and others hold lines.
    """
    if not config.is_utf8 and kind in ("csv", "json", "text"):
        _allow_encoding(spark)
    if kind == "csv":
        return csv_reader_options(config, layout)
    if kind == "json":
        multi_line = is_multi_line(spark, str(config.path))
        encoding = {} if config.is_utf8 else {"encoding": config.encoding, "lineSep": "\n"}
        malformed = {"columnNameOfCorruptRecord": MALFORMED_COLUMN, "mode": "PERMISSIVE"}
        return {"multiLine": str(multi_line).lower(), **malformed, **encoding}
    return {}


def input_schema(
    spark: SparkSession, config: InputConfig, kind: str, paths: Sequence[str] = (), **options: str
) -> T.StructType:
    """Return the columns of an input that is not csv, or of some of its files; of json with the malformed records'.

    Parameters
    ----------
    spark, config, kind
        The session, the input and its format.
    paths
        Files to look at; by default the whole input.
    options
        More options of Spark's reader.
    """
    reader = spark.read.format(kind).options(**reader_options(spark, config, kind), **options)
    fields = [
        field for field in reader.load(list(paths) or str(config.path)).schema.fields if field.name != MALFORMED_COLUMN
    ]
    if kind == "json":
        fields.append(T.StructField(MALFORMED_COLUMN, T.StringType()))
    return T.StructType(fields)


def _allow_encoding(spark: SparkSession) -> None:
    """Let Spark 4 read every encoding of Java, and read bytes that an encoding does not have as U+FFFD."""
    if spark.version >= "4":
        for name in ("javaCharsets", "codingErrorAction"):
            spark.conf.set(f"spark.sql.legacy.{name}", "true")
