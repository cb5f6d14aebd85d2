"""What counts as a text, what counts as missing, and which containers hold a column of texts."""

import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bert_spark.encoding.text_validation import as_column, check_texts, is_missing
from bert_spark.errors import ConfigError, TextError


@pytest.mark.parametrize("value", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, decimal.Decimal("NaN")])
def test_missing_values(value):
    assert is_missing(value) is True


@pytest.mark.parametrize(
    "value", ["", " ", "nan", "None", "<NA>", "null", 0, 0.0, False, [], [None], np.array([np.nan])]
)
def test_values_that_are_not_missing(value):
    assert is_missing(value) is False


COLUMNS = {
    "list": ["a", "", "é"],
    "tuple": ("a", "", "é"),
    "object array": np.array(["a", "", "é"], dtype=object),
    "str array": np.array(["a", "", "é"]),
    "one-column array": np.array([["a"], [""], ["é"]]),
    "object Series": pd.Series(["a", "", "é"], dtype=object),
    "string Series, index of its own": pd.Series(["a", "", "é"], index=[7, 7, 9], dtype="string"),
    "categorical Series": pd.Series(["a", "", "é"], dtype="category"),
    "Arrow-backed Series": pd.Series(["a", "", "é"], dtype=pd.ArrowDtype(pa.string())),
    "one-column frame": pd.DataFrame({"text": ["a", "", "é"]}),
    "Arrow array": pa.array(["a", "", "é"]),
    "chunked Arrow array": pa.chunked_array([["a"], ["", "é"]]),
    "one-column Arrow table": pa.table({"text": ["a", "", "é"]}),
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS.keys())
def test_every_container_gives_the_same_list_of_texts(values):
    texts = check_texts(values)
    assert texts == ["a", "", "é"]
    assert {type(text) for text in texts} == {str}  # tokenizers refuse numpy's str and other subclasses


@pytest.mark.parametrize(
    "values", [[], (), np.array([], dtype=object), pd.Series([], dtype=object), pa.array([], pa.string())]
)
def test_no_texts_are_an_empty_list(values):
    assert check_texts(values) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("one text", r"got one str; expected a list of texts: wrap it in \[ \]"),
        (b"bytes", "got one bytes; expected a list of texts"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"got a table of shape \(1, 2\); expected one column of texts"),
        (np.array("x"), r"got a table of shape \(\)"),
        (5, "got a int; expected a list of texts"),
        ({"text": ["a", "b"]}, "got a dict; expected a list"),  # its keys are not the texts
        ({"a", "b"}, "got a set; expected a list"),  # it has no order
        ((text for text in "ab"), "got a generator; expected a list"),  # fit would consume it before transform
    ],
)
def test_a_value_that_is_not_a_column_is_refused(values, message):
    with pytest.raises(TextError, match=message):
        as_column(values)


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NoneType"), (math.nan, "float"), (pd.NA, "NAType"), (pd.NaT, "NaTType")]
)
def test_a_missing_text_names_its_row_and_the_remedy(value, kind):
    texts = [f"text {i}" for i in range(1000)]
    texts[777] = value
    with pytest.raises(TextError, match=rf"row 777 has no text \({kind}\); fill or drop it, or set missing='empty'"):
        check_texts(texts)
    assert check_texts(texts, "empty")[776:779] == ["text 776", "", "text 778"]


@pytest.mark.parametrize("dtype", [object, "string", "str", pd.ArrowDtype(pa.string())], ids=str)
def test_a_missing_text_in_any_series_names_its_position(dtype):
    """The missing value is None in pandas 2, NaN in pandas 3, and pd.NA in string types."""
    series = pd.Series(["a", None, "b"], index=[5, 6, 7], dtype=object)
    series = series if dtype is object else series.astype(dtype)
    if dtype == "str" and pd.__version__ < "3":
        series[6] = None  # pandas 2 converts None to the text "None"
    with pytest.raises(TextError, match="row 1 has no text"):
        check_texts(series)
    assert check_texts(series, "empty") == ["a", "", "b"]


@pytest.mark.parametrize(
    ("value", "kind"), [(7, "int"), (1.5, "float"), (b"x", "bytes"), (["x"], "list"), (True, "bool")]
)
@pytest.mark.parametrize("missing", ["error", "empty"])
def test_a_value_that_is_not_a_str_names_its_row_and_type_only(value, kind, missing):
    with pytest.raises(TextError, match=rf"^row 1 is a {kind}; expected a str; convert it, e\.g\. with str\(\)$"):
        check_texts(["a", value], missing)


def test_an_unknown_policy_for_missing_texts_is_refused():
    with pytest.raises(ConfigError, match=r"missing='drop' is unknown; known are \['error', 'empty'\]"):
        check_texts(["a"], "drop")
