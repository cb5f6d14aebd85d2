"""Tell the format of an input from its settings or its name."""

from __future__ import annotations

import re

from bert_spark.errors import DataError
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


def input_format(config: InputConfig) -> str:
    """Return the input's format, as set or as its name tells.

    Raises
    ------
    DataError
        When the name is that of an archive, of a spreadsheet, or compressed with an ending that Spark may not know.
    """
    path = str(config.path)
    kind = format_from_name(path) if config.format == "auto" else config.format
    if config.format == "table":
        return kind
    if name_suffix(path) in _UNREADABLE:
        raise DataError(f"{path!r} is {_UNREADABLE[name_suffix(path)]}; a table of that name needs --format table")
    squeezed = _COMPRESSED.search(path)
    if squeezed and not squeezed[1].islower():
        raise DataError(
            f"{path!r}: Spark may take it for uncompressed; rename it, so that it ends in .{squeezed[1].lower()}"
        )
    return kind


def format_from_name(path: str) -> str:
    """Return the format a path's name tells, "table" for what looks like a table's name, else "parquet"."""
    suffix = name_suffix(path)
    if suffix in _FORMAT_BY_SUFFIX:
        return _FORMAT_BY_SUFFIX[suffix]
    return "table" if "/" not in path and _TABLE_NAME.match(path) else "parquet"


def name_suffix(path: str) -> str:
    name = _COMPRESSED.sub("", path.rstrip("/*")).rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1].lower() if "." in name else ""
