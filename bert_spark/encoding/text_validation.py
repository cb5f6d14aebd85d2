"""Decide what is a text and what is missing, by the same rules for BERT, TF-IDF, Spark and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np
import pandas as pd

from bert_spark.errors import ConfigError, TextError


def is_missing(value: Any) -> bool:
    """Tell whether `value` is a missing text: None, NaN, NaT or pd.NA."""
    return value is None or (not isinstance(value, str) and pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def as_column(values: Any) -> Iterable[Any]:
    """Return the single column of texts in a list, tuple, array, Series, one-column frame or Arrow array.

    Raises
    ------
    TextError
        For a single string, a table of several columns, a dict or set (no order), or an iterator (read only once).
    """
    if isinstance(values, (str, bytes)):
        raise TextError(f"got one {type(values).__name__}; expected a list of texts: wrap it in [ ]")
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1:
            raise TextError(f"got a table of shape {tuple(shape)}; expected one column of texts: select it first")
        values = values.iloc[:, 0] if hasattr(values, "iloc") else np.asarray(values)[:, 0]
    if hasattr(values, "to_pylist"):
        values = values.to_pylist()
    if not isinstance(values, Iterable) or isinstance(values, (Iterator, Mapping, Set)):
        raise TextError(f"got a {type(values).__name__}; expected a list of texts")
    return values


def check_texts(values: Any, missing: str = "error") -> list[str]:
    """Return `values` as a list of str, for callers without an error column, such as the scikit-learn classes.

    Parameters
    ----------
    values
        List, tuple, array, Series, one-column frame or Arrow array of str and missing values.
    missing
        "error" refuses missing values; "empty" treats them as "".

    Raises
    ------
    TextError
        With the position (not the index label) and the type of the first value that cannot be used.
    ConfigError
        If `missing` is neither "error" nor "empty".
    """
    if missing not in ("error", "empty"):
        raise ConfigError(f"missing={missing!r} is unknown; known are ['error', 'empty']")
    texts: list[str] = []
    for row, value in enumerate(as_column(values)):
        if isinstance(value, str):
            texts.append(str(value))
        elif not is_missing(value):
            raise TextError(f"row {row} is a {type(value).__name__}; expected a str; convert it, e.g. with str()")
        elif missing == "error":
            raise TextError(f"row {row} has no text ({type(value).__name__}); fill or drop it, or set missing='empty'")
        else:
            texts.append("")
    return texts
