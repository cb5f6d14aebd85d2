"""Compare rows by digests: of the text that BERT reads, and of the columns that come from the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.error_reasons import MALFORMED_ROW, MISSING_TEXT
from bert_spark.tables.schema import exact_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


# By default Spark writes milliseconds, and a change of microseconds would not be seen.
_JSON = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def text_digest(text: Column, malformed: Column) -> Column:
    """Return a digest of a text as BERT reads it, or the reason why it reads none."""
    reason = F.when(malformed, F.lit(MALFORMED_ROW)).when(text.isNull(), F.lit(MISSING_TEXT))
    return reason.otherwise(F.sha2(text, 256))


def row_digest(rows: DataFrame, names: list[str]) -> Column:
    """Return a digest of some columns. Their order does not matter.

    They are written as JSON with their names. Spark's own hash functions skip nulls, so that a value that moves to
    another column would not be seen, and refuse maps.
    """
    columns = [_bytes_of_text(rows, name).alias(name) for name in sorted(names)]
    return F.sha2(F.to_json(F.struct(*columns), _JSON), 256)


def _bytes_of_text(rows: DataFrame, name: str) -> Column:
    """Return a column as JSON holds it without loss: a string that is not UTF-8 would lose its bytes."""
    column = exact_column(name)
    return column.cast("binary") if isinstance(rows.schema[name].dataType, T.StringType) else column
