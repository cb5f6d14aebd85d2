"""Arrow columns over numpy matrices, without a Python object a row. Knows nothing of Spark and of encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bert_spark.errors import ConfigError

MAX_NUMBERS = 2**31 - 1  # Arrow's lists count their numbers in 32 bits, and Spark takes no others


def list_array_to_matrix(vectors: pa.Array) -> np.ndarray:
    """Return the non-null lists of an Arrow list array as float32, shape (n_valid, width), without a Python object
    a row.
    """
    width = len(vectors.flatten()) // max(1, len(vectors) - vectors.null_count)
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(-1, max(1, width))


def column_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column as a list; in texts, bytes that are no UTF-8, which files of other tools hold, as U+FFFD."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "replace") for value in raw]


def absent_mask(present: np.ndarray, rows: int) -> np.ndarray:
    """Return a mask of `rows` rows: True where the row is not among those present."""
    mask = np.ones(rows, dtype=bool)
    mask[present] = False
    return mask


def matrix_to_list_array(matrix: np.ndarray, present: np.ndarray, rows: int) -> pa.Array:
    """Return a list array of `rows` rows over the matrix (no copy): row present[i] holds matrix[i], the others are
    null.

    Raises
    ------
    ConfigError
        When the lists hold more numbers than Arrow's can.
    """
    if len(present) * matrix.shape[1] > MAX_NUMBERS:
        raise ConfigError(
            f"{len(present):,} vectors of {matrix.shape[1]:,} numbers each are more than one column can hold; set "
            f"window_rows to {MAX_NUMBERS // matrix.shape[1]} or less"
        )
    lengths = np.zeros(rows, dtype=np.int64)
    lengths[present] = matrix.shape[1]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(matrix.reshape(-1)), mask=pa.array(absent_mask(present, rows))
    )


def reason_array(errors: dict[int, str], rows: int) -> pa.Array:
    """Return the reason of each row, null where it has none."""
    return pa.array([errors.get(row) for row in range(rows)], pa.string()) if errors else pa.nulls(rows, pa.string())


def null_diagnostics(rows: int) -> dict[str, pa.Array]:
    """Return the diagnostics of rows that BERT did not see: nulls."""
    kinds = {"token_count": pa.int32(), "truncated": pa.bool_(), "unknown_share": pa.float32(), "reused": pa.bool_()}
    return {name: pa.nulls(rows, kind) for name, kind in kinds.items()}


def struct_array(columns: dict[str, pa.Array]) -> pa.StructArray:
    """Return columns as one struct array."""
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
