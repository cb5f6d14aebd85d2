"""Spread rows over tasks by bytes before BERT runs. Counts files' bytes, never rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

UNPACKED = 2.5  # 40,000 tweets with their ids: gzip 2.4, zstd 2.5, bzip2 3.3
_COMPRESSED = r"\.(gz|bz2|zst|zstd|lz4|snappy)$"
UNKNOWN_SIZE = 200  # tasks for a table whose bytes can't be known, Spark's own number after a shuffle


def spread(df: DataFrame, partition_mb: float | None = None) -> DataFrame:
    """Spread rows over tasks by bytes before BERT: one big compressed file would be one task.

    Parameters
    ----------
    df
        The input.
    partition_mb
        MB of text per task. By default 256 kB, so that a small table keeps all cores busy, growing to 16 MB, so that a
        large one does not drown in tasks.
    """
    size = input_bytes(df)
    return df.repartition(UNKNOWN_SIZE if size is None else partitions_for(size, partition_mb))


def partitions_for(size: int, partition_mb: float | None = None) -> int:
    """Return into how many tasks `size` bytes go."""
    if partition_mb is not None:
        return max(1, -(-size // int(partition_mb * 1e6)))
    small, large = 256 * 1024, 16 * 1024 * 1024
    return max(1, min(-(-size // small), 1000), -(-size // large))


def text_bytes() -> Column:
    """Return about how many bytes of text a file holds, of a table of files with "path" and "length"."""
    return F.col("length") * F.when(F.col("path").rlike(_COMPRESSED), UNPACKED).otherwise(1)


def input_bytes(df: DataFrame) -> int | None:
    """Return about how many bytes of text the files of a DataFrame hold; None where that is unknown. Reads none."""
    found = _of_files(df, F.sum(text_bytes()))
    return None if found is None else int(found)


def input_signature(df: DataFrame) -> str | None:
    """Return what changes when one of the files a DataFrame reads does; None where that can't be known."""
    found = _of_files(df, F.bit_xor(F.xxhash64("path", "length", "modificationTime")))
    return None if found is None else str(found)


def paths_of(uris: Iterable[str]) -> list[str]:
    """Return addresses, as Spark gives them, as paths that Spark reads as these very files: * or [ is no pattern."""
    return [re.sub(r"([\\{}\[\]*?])", r"\\\1", unquote(uri)) for uri in uris]


def _of_files(df: DataFrame, aggregate: Column) -> Any:
    files = paths_of(df.inputFiles())
    if not files:
        return None
    try:
        found = df.sparkSession.read.format("binaryFile").load(files).select(aggregate).first()
    except AnalysisException:  # gone meanwhile
        return None
    return found[0] if found else None
