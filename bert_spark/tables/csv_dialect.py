"""The dialect of csv files: delimiter, quotes and escapes, from the settings or from the first lines of the files.

Knows nothing of Spark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import name_suffix
from bert_spark.tables.schema import MALFORMED_COLUMN

# If a missing text and an empty one are spelt alike, Spark reads a quoted empty text as missing. No file holds this
# spelling of a missing text.
_NULL_MARKER = "\ue000bert_spark:null\ue000"
_NO_QUOTE = "\ue001"  # no file holds it. Spark's own "no quote" is NUL, which dirty texts hold.
LONGEST_LINE = 4096  # characters; longer lines of a sample are cut


def csv_options(config: InputConfig, escape: str = "") -> dict[str, str]:
    """Return Spark's reader options for csv files; without `header`, which belongs to the names of the columns.

    Parameters
    ----------
    config
        The settings of the input.
    escape
        Character before a quote inside quotes, if `config` does not set it; by default the quote itself.
    """
    quote = config.quote or _NO_QUOTE
    return {
        "multiLine": "true",
        "quote": quote,
        "escape": (config.escape or escape or quote) if config.quote else quote,
        "sep": delimiter(config),
        "encoding": config.encoding,
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": MALFORMED_COLUMN,
        "maxCharsPerColumn": "-1",
        "nullValue": _NULL_MARKER,
    }


def line_options(config: InputConfig) -> dict[str, str]:
    """Return Spark's reader options that read each line of csv files as one value, decoded but not parsed."""
    return csv_options(config) | {"quote": _NO_QUOTE, "escape": _NO_QUOTE, "sep": "\ue002", "header": "false"}


def delimiter(config: InputConfig) -> str:
    """Return the delimiter: that of the settings, and a tab in .tsv files if none is set."""
    separator = "\t" if name_suffix(str(config.path)) == "tsv" and config.delimiter == "," else config.delimiter
    return separator.replace("\\t", "\t")


def escapes_by_backslash(lines: Sequence[str], config: InputConfig) -> bool:
    r"""Tell whether lines of csv have `\"` inside quotes, as Spark writes a quote.

    Where quotes are doubled, as in RFC 4180, a quote after a backslash is followed by another quote, by the delimiter
    or by the end of the line.
    """
    if not config.quote or config.escape is not None:
        return False
    quote, separator, text = re.escape(config.quote), re.escape(delimiter(config)), "\n".join(lines)
    inside_quotes = re.search(rf"\\{quote}(?!{quote}|{separator}|\s*\n|\s*$)", text)
    return bool(inside_quotes and re.search(rf"(^|\n|{separator}){quote}", text))


def every_line_is_a_record(lines: Sequence[str], config: InputConfig, columns: int) -> bool:
    """Tell whether lines of csv have one delimiter less than columns each, so that quotes may be part of the texts.

    If a record of such files spans several lines, it was probably glued together by a stray quote.

    Parameters
    ----------
    lines
        The first lines of the files.
    config
        The settings of the input.
    columns
        Number of columns.
    """
    quote, separator = config.quote, delimiter(config)
    whole_lines = [line for line in lines if line.strip() and len(line) < LONGEST_LINE]
    if not quote or columns < 2 or any(line.count(separator) != columns - 1 for line in whole_lines):
        return False
    # a line whose values are all in quotes was written by a program, which puts every text in quotes
    return not any(all(_is_enclosed(value, quote) for value in line.split(separator)) for line in whole_lines)


def _is_enclosed(value: str, quote: str) -> bool:
    return len(value) > 1 and value.startswith(quote) and value.endswith(quote)
