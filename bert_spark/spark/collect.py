"""From a DataFrame to numpy on the driver, through Arrow: one float32 matrix, which is in memory once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bert_spark.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


_MAX_RESULT = "spark.driver.maxResultSize"
_SPARKS_DEFAULT = "1g"


def check_result_size(spark: SparkSession, rows: int, width: int) -> None:
    """Refuse to collect vectors that are more than Spark sends to the driver. Spark itself would fail after BERT.

    Parameters
    ----------
    spark
        The session.
    rows, width
        Shape of the float32 matrix.

    Raises
    ------
    DataError
        If they are more than `spark.driver.maxResultSize`.
    """
    setting = str(spark.conf.get(_MAX_RESULT, _SPARKS_DEFAULT))
    size = re.fullmatch(r"(\d+) *([kmgtp]?)b?", setting.strip().lower())
    limit = int(size[1]) << (10 * " kmgtp".index(size[2] or " ")) if size else 0
    needed = rows * width * 4
    if 0 < limit < needed:  # 0 is no limit
        raise DataError(
            f"{rows:,} rows x {width} numbers x 4 bytes = {needed / 1e9:.1f} GB; Spark sends {setting} to the driver: "
            f"set {_MAX_RESULT} (--conf {_MAX_RESULT}=0 for no limit), or take about {limit // (width * 4):,} rows "
            "(--max-rows)"
        )


def collect_arrow(df: DataFrame) -> pa.Table:
    """Collect a DataFrame as an Arrow table.

    Uses Spark's toArrow (from 4.0 on), else the method behind its toPandas. Connect of Spark 3.5 has neither and goes
    through pandas.
    """
    if hasattr(df, "toArrow"):
        return df.toArrow()
    import pyarrow

    collect = getattr(df, "_collect_as_arrow", None)
    if collect is not None:
        from pyspark.sql.pandas.types import to_arrow_schema

        batches = collect()
        return pyarrow.Table.from_batches(batches, None if batches else to_arrow_schema(df.schema))
    return pyarrow.Table.from_pandas(df.toPandas(), preserve_index=False)


def collect_batches(df: DataFrame) -> Iterator[pa.RecordBatch]:
    """Collect a DataFrame and yield its batches. The memory of a batch is released once the caller has used it."""
    batches = collect_arrow(df).to_batches()[::-1]
    while batches:
        yield batches.pop()


def fill_matrix(batches: Iterable[pa.RecordBatch], rows: int) -> tuple[np.ndarray, pa.Table]:
    """Copy the vectors of batches, one by one, into one float32 matrix.

    Parameters
    ----------
    batches
        With a column "vector" of equally long lists, null if a row has none.
    rows
        Upper limit of the number of vectors.

    Returns
    -------
    tuple
        The matrix, shape (n_vectors, width), and a table of the other columns of the rows that have a vector.

    Raises
    ------
    DataError
        If there are more vectors than `rows`.
    """
    import pyarrow

    matrix, other_columns, filled = np.empty((0, 0), dtype=np.float32), [], 0
    for batch in batches:
        vectors = batch["vector"]
        count = len(vectors) - vectors.null_count
        other_columns.append(batch.drop_columns(["vector"]).filter(vectors.is_valid()))
        if not count:
            continue
        numbers = vectors.flatten().to_numpy(zero_copy_only=False).reshape(count, -1)
        if not filled:
            matrix = np.empty((rows, numbers.shape[1]), dtype=np.float32)
        if filled + count > rows:
            raise DataError(f"got more than the {rows:,} rows that were counted: the table changed; run again")
        matrix[filled : filled + count] = numbers
        filled += count
    return matrix[:filled], pyarrow.Table.from_batches(other_columns)


def column_to_matrix(vectors: pa.ChunkedArray) -> np.ndarray:
    """Return a column of equally long lists of numbers as one float32 matrix, shape (n, width).

    Raises
    ------
    DataError
        If a row is null.
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
