"""Mark csv records that a stray quote has glued together from several lines: their values belong to other records."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.tables.references import path_column
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame


_NUMBER = r"^[-+]?[0-9][0-9.]*$"


def mark_glued_records(df: DataFrame, names: Sequence[str], delimiter: str) -> DataFrame:
    """Return `df` with glued records marked as malformed, with the text of their lines.

    A record is glued if one of its values holds line ends, and each line of the record would be a record of its own:
    it has as many values as there are columns, and the other values of all lines are alike, numbers or not.

    Parameters
    ----------
    df
        Records of csv files in which every line seems to be a record, see `csv_dialect.every_line_is_a_record`.
    names
        The columns of the files.
    delimiter
        Delimiter of the files.
    """
    values = F.array(*[F.coalesce(path_column((name,)), F.lit("")) for name in names])
    text = F.concat_ws(delimiter, values)
    glued = F.contains(text, F.lit("\n")) & _is_glued(values, text, len(names), delimiter)
    malformed = F.col(MALFORMED_COLUMN)
    return df.withColumn(MALFORMED_COLUMN, F.coalesce(malformed, F.when(glued, text)))


def _is_glued(values: Column, text: Column, columns: int, delimiter: str) -> Column:
    spans_lines = F.transform(values, lambda value: F.contains(value, F.lit("\n")))
    position = F.array_position(spans_lines, True)  # counts from 1

    def is_record(line: Column) -> Column:
        parts = F.split(line, re.escape(delimiter))
        others = F.filter(F.sequence(F.lit(1), F.lit(columns)), lambda n: n != position)
        alike = F.forall(others, lambda n: _are_alike(F.element_at(values, n.cast("int")), F.get(parts, n - 1)))
        return (F.size(parts) == columns) & alike

    is_alone = F.size(F.filter(spans_lines, lambda spans: spans)) == 1
    lines = F.split(F.regexp_replace(text, r"[\r\n]+$", ""), "\r?\n")  # a quote that is never closed takes the last one
    return is_alone & F.forall(lines, is_record)


def _are_alike(own: Column, other: Column) -> Column:
    """Tell whether two values may be of one column. A blank after a delimiter is that of a sentence."""
    is_number = own.rlike(_NUMBER)
    may_follow = (own == "") | (other == "") | ~(other.rlike(_NUMBER) | other.startswith(" "))
    return (own == other) | F.when(is_number, other.rlike(_NUMBER)).otherwise(may_follow)
