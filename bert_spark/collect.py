"""From a DataFrame to numpy on the driver: one float32 matrix through Arrow, refused with the arithmetic when it
can't fit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from bert_spark.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

# The matrix, the Arrow batches it is filled from, and the copy in float64 that a linear classifier fits on.
COPIES = 4


def check_fits(rows: int, width: int, available: int | None = None) -> None:
    """Refuse a matrix the driver can't hold, before any work.

    Parameters
    ----------
    rows, width
        Of the float32 matrix.
    available
        Free bytes; by default what the machine has now.

    Raises
    ------
    DataError
        With the arithmetic and what to change.
    """
    available = available_bytes() if available is None else available
    needed = rows * width * 4 * COPIES
    if needed > available:
        fit = available // (width * 4 * COPIES)
        raise DataError(
            f"{rows:,} rows x {width} numbers x 4 bytes x {COPIES} (matrix, Arrow batches, float64 copy) = "
            f"{needed / 1e9:.1f} GB; the driver has {available / 1e9:.1f} GB: train on about {fit:,} rows "
            f"(--max-rows), "
            "use a pooling of fewer numbers, or a larger driver"
        )


def available_bytes() -> int:
    """Return the memory that is free on this machine, page cache included, in bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
        return found["MemAvailable"]
    except (OSError, KeyError):
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2


def to_arrow(df: DataFrame) -> pa.Table:
    """Collect a DataFrame as an Arrow table: Spark's own toArrow (4.0 on), else through pandas."""
    if hasattr(df, "toArrow"):
        return df.toArrow()
    import pyarrow

    return pyarrow.Table.from_pandas(df.toPandas(), preserve_index=False)


def to_matrix(vectors: pa.ChunkedArray) -> np.ndarray:
    """Return a column of equally long number lists without nulls as one float32 matrix, shape (n, width), chunk by
    chunk.
    """
    chunks = [chunk for chunk in vectors.chunks if len(chunk)]
    if vectors.null_count:
        raise DataError(f"{vectors.null_count} of {len(vectors)} rows have no vector; filter them out first")
    if not chunks:
        return np.empty((0, 0), dtype=np.float32)
    width = len(chunks[0].flatten()) // len(chunks[0])
    matrix = np.empty((len(vectors), width), dtype=np.float32)
    start = 0
    for chunk in chunks:
        flat = chunk.flatten().to_numpy(zero_copy_only=False)
        matrix[start : start + len(chunk)] = flat.reshape(len(chunk), width)
        start += len(chunk)
    return matrix
