"""Size and identity of an input's files, without reading their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


COMPRESSION_RATIO = 2.5  # 40,000 tweets with their ids: gzip 2.4, zstd 2.5, bzip2 3.3
_COMPRESSED = r"\.(gz|bz2|zst|zstd|lz4|snappy)$"


def text_bytes() -> Column:
    """Return about how many bytes of text a file holds, of a table of files with "path" and "length"."""
    return F.col("length") * F.when(F.col("path").rlike(_COMPRESSED), COMPRESSION_RATIO).otherwise(1)


def input_bytes(df: DataFrame) -> int | None:
    """Return about how many bytes of text the files of a DataFrame hold; None where that is unknown. Reads none."""
    found = _aggregate_files(df, F.sum(text_bytes()))
    return None if found is None else int(found)


def input_signature(df: DataFrame) -> str | None:
    """Return what changes when one of the files a DataFrame reads does; None where that can't be known."""
    found = _aggregate_files(df, F.bit_xor(F.xxhash64("path", "length", "modificationTime")))
    return None if found is None else str(found)


def literal_paths(uris: Iterable[str]) -> list[str]:
    """Return addresses, as Spark gives them, as paths that Spark reads as these very files: * or [ is no pattern."""
    return [re.sub(r"([\\{}\[\]*?])", r"\\\1", unquote(uri)) for uri in uris]


def _aggregate_files(df: DataFrame, aggregate: Column) -> Any:
    files = literal_paths(df.inputFiles())
    if not files:
        return None
    try:
        found = df.sparkSession.read.format("binaryFile").load(files).select(aggregate).first()
    except AnalysisException:  # gone meanwhile
        return None
    return found[0] if found else None
