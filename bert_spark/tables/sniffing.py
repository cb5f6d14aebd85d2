"""Guess from the first bytes of a file how it is read: its format, encoding and csv dialect. Knows nothing of Spark.

Python's csv.Sniffer proposes the delimiter. It is believed only if the file then has records of one length: free text
often misleads it.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Sequence

from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import LONGEST_LINE, delimiter, escapes_by_backslash, every_line_is_a_record
from bert_spark.tables.csv_names import looks_like_data
from bert_spark.tables.input_format import format_from_name, name_suffix

SNIFFED_BYTES = 256 * 1024

_DEFAULT = InputConfig()
_MAGIC = {b"PAR1": "parquet", b"ORC": "orc"}
_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_NOT_IN_WINDOWS_1252 = b"\x81\x8d\x8f\x90\x9d"
_DELIMITERS = ",;\t|"
_EQUALLY_LONG = 0.9  # share of records with the same number of values, above which a delimiter is believed
_RECORDS = 200


def sniff(data: bytes, config: InputConfig, name: str = "") -> InputConfig:
    """Return the settings of an input with what the beginning of one of its files suggests.

    Only settings at their default are changed.

    Parameters
    ----------
    data
        The beginning of the file, decompressed.
    config
        The settings.
    name
        The file's name, whose suffix counts more than its content.
    """
    magic = next((kind for start, kind in _MAGIC.items() if data.startswith(start)), None)
    if magic is not None:
        return _with_format(config, magic)
    if config.encoding == _DEFAULT.encoding:
        config = dataclasses.replace(config, encoding=guess_encoding(data))
    text = _decode(data, config.encoding)
    if not text.strip():
        return config
    kind = config.format if config.format != "auto" else _format(text, config, name or str(config.path))
    config = _with_format(config, kind)
    return _with_dialect(config, text) if kind == "csv" else config


def guess_encoding(data: bytes) -> str:
    """Return the encoding of text by its byte order mark, its NULs, and whether it is UTF-8; else windows-1252.

    Windows-1252 is what the commonest programs write that do not write UTF-8. Single bytes do not tell it from other
    code pages.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    if data[:1000].count(0) * 3 > len(data[:1000]):  # every other byte of Latin text
        return "UTF-16LE" if data[1:1000:2].count(0) > data[:1000:2].count(0) else "UTF-16BE"
    text = _decode(data, "UTF-8")
    letters, wrong = sum(letter > "\x7f" for letter in text), text.count("\ufffd")
    if wrong * 10 <= letters:  # some broken bytes in a file of UTF-8
        return "UTF-8"
    return "ISO-8859-1" if set(data) & set(_NOT_IN_WINDOWS_1252) else "windows-1252"


def _decode(data: bytes, encoding: str) -> str:
    """Return the text of bytes; the last character may be cut."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
    except LookupError:  # one that Java has and Python has not
        return data.decode("latin-1")
    return decoder.decode(data).removeprefix("\ufeff")


def _format(text: str, config: InputConfig, name: str) -> str:
    if name_suffix(name) in ("csv", "tsv", "json", "jsonl", "ndjson", "txt"):
        return format_from_name(name)
    if text.lstrip().startswith(("{", "[")):
        return "json"
    return "csv" if _sniffed_delimiter(text, config) else "text"


def _with_format(config: InputConfig, kind: str) -> InputConfig:
    is_known = config.format != "auto" or format_from_name(str(config.path)) == kind
    return config if is_known else dataclasses.replace(config, format=kind)


def _with_dialect(config: InputConfig, text: str) -> InputConfig:
    """Return the settings with the delimiter, the quotes and whether there is a header."""
    lines = [line[:LONGEST_LINE] for line in text.splitlines()]
    if config.escape is None and escapes_by_backslash(lines, config):
        config = dataclasses.replace(config, escape="\\")
    if config.delimiter == _DEFAULT.delimiter:
        found = _sniffed_delimiter(text, config)
        if found and found != delimiter(config):
            config = dataclasses.replace(config, delimiter=found.replace("\t", "\\t"))
    records = _records(text, config)
    if not records:
        return config
    if config.quote == _DEFAULT.quote and _has_stray_quotes(lines[:-1], config, len(records[0])):
        config = dataclasses.replace(config, quote="", escape=None)
        records = _records(text, config)
    undecided = config.header is None and config.columns is None
    if undecided and looks_like_data(records[0], records[1:]):
        config = dataclasses.replace(config, header=False)
    return config


def _sniffed_delimiter(text: str, config: InputConfig) -> str | None:
    """Return the delimiter with which records have the same number of values, two or more; None if there is none."""
    try:
        first = csv.Sniffer().sniff(text[:20_000], _DELIMITERS).delimiter
    except csv.Error:
        first = ""
    shares = {}
    for candidate in dict.fromkeys([*first, *_DELIMITERS]):
        records = _records(text, dataclasses.replace(config, format="csv", delimiter=candidate))
        lengths = Counter(len(record) for record in records)
        length, count = lengths.most_common(1)[0] if lengths else (0, 0)
        shares[candidate] = count / len(records) if length > 1 else 0.0
    best = max(shares, key=lambda candidate: shares[candidate])  # of equal ones the sniffer's own
    return best if shares[best] >= _EQUALLY_LONG else None


def _records(text: str, config: InputConfig) -> list[Sequence[str]]:
    """Return the first records of csv text. The last one, which may be cut, is left out if there are others."""
    escape = config.escape if config.quote else None
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter(config)[:1],
        quotechar=config.quote or None,
        quoting=csv.QUOTE_MINIMAL if config.quote else csv.QUOTE_NONE,
        escapechar=escape,
        doublequote=escape is None,
    )
    records: list[Sequence[str]] = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > _RECORDS:
                break
    except csv.Error:  # a value longer than its limit: a quote is left open
        return records
    return records[:-1] or records


def _has_stray_quotes(lines: Sequence[str], config: InputConfig, columns: int) -> bool:
    """Tell whether quotes are part of the texts: each line is a record of its own, and some quotes have no partner."""
    unpaired = any(line.count(config.quote) % 2 for line in lines)
    return unpaired and every_line_is_a_record(lines, config, columns)
