"""Wrap a function over windows of Arrow arrays as a Spark UDF: an Arrow UDF, or a pandas UDF before Spark 4.1.

The Arrow UDF builds its lists of floats on the matrix itself. The pandas UDF makes a Python object per row.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F

from bert_spark.encoding.cuda_errors import fatal_as_device_error
from bert_spark.spark.windowing import Window, group_into_windows

WindowFunction = Callable[[Iterator[Window]], Iterator[pa.StructArray]]


def wrap_as_udf(
    function: WindowFunction, fields: str, window_rows: int, columns: int = 1, *, arrow: bool = True
) -> Callable[..., Any]:
    """Return a nondeterministic UDF: Spark would otherwise run a deterministic one again for a filter on its result.

    Parameters
    ----------
    function
        Receives windows, returns a struct array for each. Not called in a task without rows, which then loads no model.
    fields
        The struct's fields, as a DDL string.
    window_rows
        Rows that are encoded together.
    columns
        How many columns the UDF receives: 1 (the text) or 2 (the text and its vector).
    arrow
        Whether to use an Arrow UDF where Spark has it.
    """

    def run(batches: Iterable[Window]) -> Iterator[pa.StructArray]:
        windows = (
            tuple(pa.concat_arrays(list(parts)) for parts in zip(*group, strict=True))
            for group in group_into_windows(batches, window_rows)
        )
        first = next(windows, None)
        if first is not None:
            with fatal_as_device_error():
                yield from function(itertools.chain([first], windows))

    # Spark reads the kind of a UDF from these type hints.
    def arrow_one(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        yield from run((batch,) for batch in batches)

    def arrow_two(batches: Iterator[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Array]:
        yield from run(batches)

    def pandas_one(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for struct in run((_text_array(batch),) for batch in batches):
            yield _pandas_frame(struct)

    def pandas_two(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        pairs = (
            (_text_array(texts), pa.Array.from_pandas(vectors, type=pa.list_(pa.float32())))
            for texts, vectors in batches
        )
        for struct in run(pairs):
            yield _pandas_frame(struct)

    if arrow and hasattr(F, "arrow_udf"):
        return F.arrow_udf(arrow_one if columns == 1 else arrow_two, fields).asNondeterministic()  # type: ignore[no-any-return]
    from pyspark.sql.pandas.functions import pandas_udf

    wrapped = pandas_udf(pandas_one if columns == 1 else pandas_two, fields)  # type: ignore[call-overload]
    return wrapped.asNondeterministic()  # type: ignore[no-any-return]


def _text_array(texts: pd.Series) -> pa.Array:
    # pandas 2 has None for null, pandas 3 has NaN: isna is true for both
    return pa.array([None if missing else text for text, missing in zip(texts, texts.isna(), strict=True)], pa.string())


def _pandas_frame(struct: pa.StructArray) -> pd.DataFrame:
    """Return a struct array as a frame; each list of numbers becomes a numpy array."""
    return pd.DataFrame({field.name: struct.field(field.name).to_pandas() for field in struct.type})
