"""Arrow columns from numpy matrices and back, without a Python object per row. Knows nothing of Spark or encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bert_spark.encoding.error_reasons import MISSING_VECTOR, NOT_FINITE
from bert_spark.errors import ConfigError

MAX_NUMBERS = 2**31 - 1  # an Arrow list array has 32-bit offsets, and Spark accepts no others


def usable_vectors(vectors: pa.Array, width: int) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Return the vectors of a column that a classifier can score, and why the others cannot be scored.

    Parameters
    ----------
    vectors
        A list array of numbers.
    width
        How many numbers the classifier expects in a vector.

    Returns
    -------
    rows
        Numbers of the usable rows, shape (n_usable,).
    matrix
        Their vectors, float32, shape (n_usable, width).
    reasons
        Row number -> reason, for every other row.
    """
    lengths = pc.fill_null(pc.list_value_length(vectors), -1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(lengths == width)
    fitting = vectors if len(rows) == len(vectors) else vectors.take(pa.array(rows))
    numbers = fitting.flatten().to_numpy(zero_copy_only=False)  # a null among the numbers becomes NaN
    matrix = np.ascontiguousarray(numbers, dtype=np.float32).reshape(len(rows), width)
    finite = np.isfinite(matrix).all(axis=1)
    reasons = {int(row): MISSING_VECTOR for row in np.flatnonzero(lengths == -1)}
    for row in np.flatnonzero((lengths != width) & (lengths != -1)):
        reasons[int(row)] = f"vector of {lengths[row]} numbers, expected {width}"
    if finite.all():
        return rows, matrix, reasons
    return rows[finite], matrix[finite], reasons | {int(row): NOT_FINITE for row in rows[~finite]}


def matrix_to_list_array(matrix: np.ndarray, present: np.ndarray, rows: int) -> pa.Array:
    """Return the rows of a matrix as a list array, without a copy.

    Parameters
    ----------
    matrix
        Shape (n_present, width).
    present
        Row numbers, shape (n_present,): row present[i] of the result holds matrix[i]. All other rows are null.
    rows
        Number of rows of the result.

    Raises
    ------
    ConfigError
        If the lists hold more numbers than an Arrow list array can.
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


def absent_mask(present: np.ndarray, rows: int) -> np.ndarray:
    """Return a mask of `rows` rows that is True for each row that is not in `present`."""
    mask = np.ones(rows, dtype=bool)
    mask[present] = False
    return mask


def column_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column as a list. In texts, invalid UTF-8, which other tools write, becomes U+FFFD."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "replace") for value in raw]


def reason_array(errors: dict[int, str], rows: int) -> pa.Array:
    """Return the reason of each row by its number; null if it has none."""
    return pa.array([errors.get(row) for row in range(rows)], pa.string()) if errors else pa.nulls(rows, pa.string())


def null_diagnostics(rows: int) -> dict[str, pa.Array]:
    """Return diagnostics for rows that BERT did not encode: nulls."""
    kinds = {"token_count": pa.int32(), "truncated": pa.bool_(), "unknown_share": pa.float32(), "reused": pa.bool_()}
    return {name: pa.nulls(rows, kind) for name, kind in kinds.items()}


def struct_array(columns: dict[str, pa.Array]) -> pa.StructArray:
    """Return columns as one struct array."""
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
