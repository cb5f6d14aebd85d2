"""Tell the format of an input from its settings or its name. Refuses archives and spreadsheets."""

from __future__ import annotations

import re

from bert_spark.errors import ConfigError, DataError
from bert_spark.tables.config import InputConfig

_FORMAT_BY_SUFFIX = {
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "parquet": "parquet",
    "orc": "orc",
    "txt": "text",
}
_COMPRESSED = re.compile(r"\.(gz|bz2|zst|zstd|lz4|snappy)$", re.IGNORECASE)
_UNREADABLE = {
    **dict.fromkeys(("zip", "7z", "rar", "tar", "tgz"), "an archive: unpack it, or compress each file with gzip"),
    **dict.fromkeys(("xlsx", "xls", "ods"), "a spreadsheet: save it as csv in UTF-8"),
}
_TABLE_NAME = re.compile(r"(\w+|`[^`]+`)(\.(\w+|`[^`]+`)){0,2}$")  # name, schema.name or catalog.schema.name


def check_input_settings(config: InputConfig) -> None:
    """Check what can be known of an input from its settings alone.

    Raises
    ------
    ConfigError
        If no input is set, or as in `input_format`.
    DataError
        As in `input_format`.
    """
    if config.path is None:
        raise ConfigError("no input given; pass --input, or set [input] path")
    input_format(config)


def input_format(config: InputConfig) -> str:
    """Return the format of the input: the one that is set, or with "auto" the one that its name suggests.

    Raises
    ------
    ConfigError
        If text files are to be read in UTF-16 or UTF-32, where a line end is more than one byte.
    DataError
        If the name is that of an archive or a spreadsheet, or ends in an upper-case suffix of a compressed file, which
        Spark may not recognise.
    """
    path = str(config.path)
    kind = format_from_name(path) if config.format == "auto" else config.format
    if config.format == "table":
        return kind
    if name_suffix(path) in _UNREADABLE:
        raise DataError(
            f"{path!r} is {_UNREADABLE[name_suffix(path)]}; if it is the name of a table, set --format table"
        )
    compressed = _COMPRESSED.search(path)
    if compressed and not compressed[1].islower():
        raise DataError(
            f"{path!r}: Spark may read it as an uncompressed file; rename it so that it ends in "
            f".{compressed[1].lower()}"
        )
    if kind == "text" and config.encoding.upper().startswith(("UTF-16", "UTF-32")):
        raise ConfigError(f"encoding={config.encoding!r} is not supported for text files; convert them to UTF-8 first")
    return kind


def format_from_name(path: str) -> str:
    """Return the format that a name suggests: by its suffix, else "table" for a table's name, else "parquet"."""
    suffix = name_suffix(path)
    if suffix in _FORMAT_BY_SUFFIX:
        return _FORMAT_BY_SUFFIX[suffix]
    return "table" if "/" not in path and _TABLE_NAME.match(path) else "parquet"


def name_suffix(path: str) -> str:
    """Return the last suffix of a path in lower case, without that of its compression: "csv" for "a/tweets.CSV.gz"."""
    name = _COMPRESSED.sub("", path.rstrip("/*")).rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1].lower() if "." in name else ""
