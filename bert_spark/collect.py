"""From a DataFrame to numpy on the driver: one float32 matrix through Arrow, refused with the arithmetic when it
can't fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bert_spark.errors import DataError
from bert_spark.room import available_bytes, check_fits

__all__ = ["available_bytes", "check_fits", "to_arrow", "to_matrix"]

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


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
