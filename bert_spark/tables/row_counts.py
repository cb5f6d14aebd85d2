"""The counts of a run as Spark expressions: of the input's records, and of the output's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.error_reasons import MALFORMED_ROW, MISSING_TEXT
from bert_spark.tables.schema import MALFORMED_COLUMN, exact_column, text_value

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


# With so many line ends in one value, a quote was probably not closed and the record contains the ones after it.
MANY_LINES = 20
_LABEL_PREFIX = "label="
INPUT_COUNTS = (
    "rows_in",
    "rows_many_lines",
    "rows_undecodable",
    "rows_control_characters",
    "rows_null_words",
    "rows_glued",
    "rows_escaped_quotes",
)
# Words that pandas, R and databases write for a missing value: the default na_values of pandas.read_csv, and \N.
NULL_WORDS = (
    *("\\N", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A"),
    *("NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
ZERO_COUNTS = dict.fromkeys((*INPUT_COUNTS, "rows_out", "rows_missing", "rows_malformed", "rows_failed"), 0)


def input_counts(df: DataFrame, text_column: str) -> list[Column]:
    """Return the counts of the input: records, and records that look wrongly parsed or decoded.

    Parameters
    ----------
    df
        The input. A record counts as one of many lines if any of its strings holds MANY_LINES line ends or more, the
        raw text of a malformed record included.
    text_column
        Column of the texts, see `references.find_columns`. Counted are texts that contain U+FFFD, those with a C1
        control character in a word, those that are a word of NULL_WORDS, and those that begin with a quote and hold one
        after a backslash.
    """
    text = text_value(df, text_column)
    strings = [exact_column(field.name) for field in df.schema.fields if isinstance(field.dataType, T.StringType)]
    malformed = F.col(MALFORMED_COLUMN) if MALFORMED_COLUMN in df.columns else F.lit("")
    beyond_ascii = F.length(text) < F.octet_length(text)  # the search takes half of the time of all counts
    counts = (
        F.count(F.lit(1)),
        F.count_if(F.greatest(F.lit(0), *map(_line_ends, [text, *strings])) >= MANY_LINES),
        F.count_if(F.contains(text, F.lit("\ufffd"))),
        F.count_if(beyond_ascii & text.rlike(r"\p{L}[\x{80}-\x{9f}]|[\x{80}-\x{9f}]\p{L}")),
        F.count_if(text.isin(*NULL_WORDS)),
        F.count_if(F.contains(malformed, F.lit("\n"))),
        F.count_if(F.startswith(text, F.lit('"')) & F.contains(text, F.lit('\\"'))),
    )
    return [expr.alias(name) for name, expr in zip(INPUT_COUNTS, counts, strict=True)]


def _line_ends(text: Column) -> Column:
    return F.octet_length(text) - F.octet_length(F.replace(text, F.lit("\n")))


@dataclass(frozen=True)
class CountedLabels:
    """The labels to count in a column. With several such columns each has the name of its artefact."""

    column: str
    labels: Sequence[Any]
    name: str = ""


def output_counts(
    error_column: str, diagnostics: Mapping[str, str], max_length: int, labels: Sequence[CountedLabels] = ()
) -> list[Column]:
    """Return the counts of the output: all rows, rows without a vector by their reason, tokens, and labels.

    Parameters
    ----------
    error_column
        Column of the reasons.
    diagnostics
        Diagnostic -> its column; empty if BERT does not run.
    max_length
        Number of tokens that are read of a truncated text.
    labels
        The labels to count.
    """
    error = exact_column(error_column)
    counts = {
        "rows_out": F.count(F.lit(1)),
        "rows_missing": F.count_if(error == MISSING_TEXT),
        "rows_malformed": F.count_if(error == MALFORMED_ROW),
        "rows_failed": F.count_if(error.isNotNull() & ~error.isin(MISSING_TEXT, MALFORMED_ROW)),
        **(_token_counts(diagnostics, max_length) if diagnostics else {}),
        **{
            f"{_LABEL_PREFIX}{counted.name}={label}": F.count_if(exact_column(counted.column) == label)
            for counted in labels
            for label in counted.labels
        },
    }
    return [expr.alias(name) for name, expr in counts.items()]


def _token_counts(diagnostics: Mapping[str, str], max_length: int) -> dict[str, Column]:
    column = {diagnostic: exact_column(name) for diagnostic, name in diagnostics.items()}
    # with long_text="windows" no text is truncated, and all its tokens are read
    read = F.when(column["truncated"], F.lit(max_length)).otherwise(column["token_count"])
    return {
        "rows_truncated": F.count_if(column["truncated"]),
        "texts_reused": F.count_if(column["reused"]),
        "tokens_read": F.coalesce(F.sum(read), F.lit(0)),
        "unknown_token_share": F.coalesce(F.sum(column["unknown_share"] * read) / F.sum(read), F.lit(0.0)),
    }


def nest_label_counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return counts with those of labels under "labels"; of several artefacts by name, under "by_artefact"."""
    nested = {name: n for name, n in counts.items() if not name.startswith(_LABEL_PREFIX)}
    by_artefact: dict[str, dict[str, Any]] = {}
    for name, n in counts.items():
        if name.startswith(_LABEL_PREFIX):
            artefact, _, label = name.removeprefix(_LABEL_PREFIX).partition("=")
            by_artefact.setdefault(artefact, {"labels": {}})["labels"][label] = n
    alone = by_artefact.pop("", {})
    return nested | alone | ({"by_artefact": by_artefact} if by_artefact else {})
