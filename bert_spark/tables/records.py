"""Turn what Spark's reader returns into records, one a row, in the same way for tables and for streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import delimiter
from bert_spark.tables.csv_layout import CsvLayout
from bert_spark.tables.glued_records import mark_glued_records
from bert_spark.tables.references import find_columns, path_column, path_type
from bert_spark.tables.schema import HIDDEN_PREFIX, MALFORMED_COLUMN
from bert_spark.tables.stored_vectors import name_encoders

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_RECORD = f"{HIDDEN_PREFIX}record"


def as_records(df: DataFrame, config: InputConfig, kind: str, layout: CsvLayout | None = None) -> DataFrame:
    """Return the records of an input. Hidden columns are kept.

    Lines of text files get the name of the text column. Records that a stray quote glued together are marked as
    malformed. `records` becomes one row for each of its elements. Values of `null_value` become null. A column of
    vectors names its encoder.

    Parameters
    ----------
    df
        What Spark's reader returned.
    config, kind, layout
        The settings of the input, its format, and the layout of csv files.

    Raises
    ------
    DataError
        If `records` does not name an array of structs.
    """
    if kind == "text":
        df = _lines_as_texts(df, config)
    if layout is not None and layout.one_line_a_record:
        df = mark_glued_records(df, layout.names, delimiter(config))
    if config.records is not None:
        df = _explode(df, config.records)
    if config.null_value:
        df = _without_null_values(df, config.null_value)
    return name_encoders(df, config, kind)


def _lines_as_texts(df: DataFrame, config: InputConfig) -> DataFrame:
    if not config.is_utf8:
        df = df.withColumn("value", F.decode(F.col("value").cast("binary"), config.encoding))
    return df.withColumnRenamed("value", config.text_column)


def _explode(df: DataFrame, reference: str) -> DataFrame:
    """Return one row for each element of an array. A malformed record, which has no array, keeps its row."""
    columns = [name for name in df.columns if name != MALFORMED_COLUMN and not name.startswith(HIDDEN_PREFIX)]
    paths = find_columns(df.schema, reference)
    if not paths:
        raise DataError(f"column {reference!r} not found; the table has {columns}; set --records")
    kind, array = path_type(df.schema, paths[0]), path_column(paths[0])
    if not isinstance(kind, T.ArrayType) or not isinstance(kind.elementType, T.StructType):
        raise DataError(f"column {reference!r} is {kind.simpleString()}; expected an array of records; set --records")
    if MALFORMED_COLUMN in df.columns:
        no_record = F.array(F.lit(None).cast(kind.elementType))
        array = F.when(F.col(MALFORMED_COLUMN).isNull(), array).otherwise(no_record)
    kept = [name for name in df.columns if name not in columns]
    return df.select(F.explode(array).alias(_RECORD), *kept).select(f"{_RECORD}.*", *kept)


def _without_null_values(df: DataFrame, values: tuple[str, ...]) -> DataFrame:
    def value(field: T.StructField) -> Column:
        column = path_column((field.name,))
        is_text = isinstance(field.dataType, T.StringType) and field.name != MALFORMED_COLUMN
        if not is_text or field.name.startswith(HIDDEN_PREFIX):
            return column
        return F.when(~column.isin(*values), column).alias(field.name, metadata=field.metadata)

    return df.select(*map(value, df.schema.fields))
