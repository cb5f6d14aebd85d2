"""Say what the counts of an input hint at. No text of the data is in a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bert_spark.tables.row_counts import MANY_LINES

_NULL_WORDS_SHARE = 0.001  # above it, a word for a missing value is warned of


def input_warnings(counts: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the counts should check.

    Parameters
    ----------
    counts
        The counts of `row_counts.input_counts`. Records of earlier versions lack some.
    """
    warnings = {
        "rows_many_lines": f"records with {MANY_LINES} line ends or more: is a quote left open?",
        "rows_glued": "malformed records of several lines: if quotes are part of the texts, set --quote ''",
        "rows_escaped_quotes": "texts begin with a quote and hold one after a backslash: is --escape '\\' right?",
        "rows_undecodable": "texts hold U+FFFD: is --encoding right?",
        "rows_control_characters": "texts hold C1 control characters in words: is --encoding windows-1252 right?",
    }
    found = [f"{counts[name]:,} {warning}" for name, warning in warnings.items() if counts.get(name)]
    return found + null_words_warning("texts", counts.get("rows_null_words", 0), counts["rows_in"])


def null_words_warning(noun: str, null_words: int, rows: int) -> list[str]:
    r"""Return a warning if more than 0.1 % of the texts or labels are words such as NA or \N; else nothing."""
    if null_words <= rows * _NULL_WORDS_SHARE:
        return []
    share = f"{null_words / rows:.2%} of the {noun}"
    return [f"{share} are a word such as NA, None or \\N: does it mean a missing value (--null-value)?"]
