"""What is counted of a run, as Spark expressions: of the records as they are read, and of the rows that come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.error_reasons import MALFORMED_ROW, MISSING_TEXT
from bert_spark.tables.schema import exact_column, valid_utf8_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


# Line ends in one value at which a quote was probably left open, and the record swallowed those after it.
MANY_LINES = 20
_LABEL_PREFIX = "label="
INPUT_COUNTS = ("rows_in", "rows_many_lines", "rows_undecodable")
ZERO_COUNTS = dict.fromkeys((*INPUT_COUNTS, "rows_out", "rows_missing", "rows_malformed", "rows_failed"), 0)


def input_counts(df: DataFrame, text_column: str) -> list[Column]:
    """Return the counts of the input: records, and those that look wrongly parsed or decoded.

    Parameters
    ----------
    df
        The input: swallowed records are looked for in all its strings, raw text of malformed records included.
    text_column
        Column of the texts; those that hold U+FFFD are counted.
    """
    strings = {text_column, *(field.name for field in df.schema.fields if isinstance(field.dataType, T.StringType))}
    counts = (
        F.count(F.lit(1)),
        F.count_if(F.greatest(F.lit(0), *map(_line_ends, sorted(strings))) >= MANY_LINES),
        F.count_if(F.contains(valid_utf8_text(text_column), F.lit("\ufffd"))),
    )
    return [expr.alias(name) for name, expr in zip(INPUT_COUNTS, counts, strict=True)]


def _line_ends(name: str) -> Column:
    text = exact_column(name).cast("string")
    return F.length(text) - F.length(F.replace(text, F.lit("\n")))


def output_counts(
    error_column: str, diagnostics: Mapping[str, str], max_length: int, labels: Sequence[Any] = ()
) -> list[Column]:
    """Return the counts of the output: rows by what became of them.

    Parameters
    ----------
    error_column
        Its column of reasons.
    diagnostics
        Diagnostic -> its column; empty where BERT does not run.
    max_length
        Tokens that are read of a text that is cut.
    labels
        Labels to count in the column "label".
    """
    error = exact_column(error_column)
    counts = {
        "rows_out": F.count(F.lit(1)),
        "rows_missing": F.count_if(error == MISSING_TEXT),
        "rows_malformed": F.count_if(error == MALFORMED_ROW),
        "rows_failed": F.count_if(error.isNotNull() & ~error.isin(MISSING_TEXT, MALFORMED_ROW)),
        **(_token_counts(diagnostics, max_length) if diagnostics else {}),
        **{f"{_LABEL_PREFIX}{label}": F.count_if(F.col("label") == label) for label in labels},
    }
    return [expr.alias(name) for name, expr in counts.items()]


def _token_counts(diagnostics: Mapping[str, str], max_length: int) -> dict[str, Column]:
    column = {name: exact_column(given) for name, given in diagnostics.items()}
    read = F.when(column["truncated"], F.lit(max_length)).otherwise(column["token_count"])  # of windows all are read
    return {
        "rows_truncated": F.count_if(column["truncated"]),
        "texts_reused": F.count_if(column["reused"]),
        "tokens_read": F.coalesce(F.sum(read), F.lit(0)),
        "unknown_token_share": F.coalesce(F.sum(column["unknown_share"] * read) / F.sum(read), F.lit(0.0)),
    }


def nest_label_counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return counts with those of labels under one key, "labels"."""
    labels = {name.removeprefix(_LABEL_PREFIX): n for name, n in counts.items() if name.startswith(_LABEL_PREFIX)}
    rest = {name: n for name, n in counts.items() if not name.startswith(_LABEL_PREFIX)}
    return rest | ({"labels": labels} if labels else {})
