"""Arrow columns from matrices: null in rows without a vector, and at most as many numbers as a list column can hold."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from bert_spark.errors import ConfigError
from bert_spark.spark.arrow_arrays import column_values, matrix_to_list_array, usable_vectors


def test_present_rows_have_their_vector_and_others_are_null():
    matrix = np.array([[1, 2], [3, 4]], dtype=np.float32)
    assert matrix_to_list_array(matrix, np.array([0, 2]), 3).to_pylist() == [[1.0, 2.0], None, [3.0, 4.0]]


def test_more_numbers_than_a_column_can_hold_are_refused():
    huge = SimpleNamespace(shape=(8192, 512 * 768), reshape=lambda size: np.zeros(1, dtype=np.float32))  # for 12 GB
    with pytest.raises(ConfigError, match=r"8,192 vectors of 393,216 numbers .* set window_rows to 5461 or less"):
        matrix_to_list_array(huge, np.arange(8192), 8192)
    assert 5461 * 512 * 768 < 2**31 < 5462 * 512 * 768


def test_invalid_utf8_becomes_replacement_characters():
    column = pa.array([b"caf\xe9", None, b"hi"], pa.binary()).view(pa.string())
    assert column_values(pa.chunked_array([column])) == column_values(column) == ["caf\ufffd", None, "hi"]


def test_vectors_that_a_classifier_cannot_score_are_named_and_the_others_stay_with_their_rows():
    column = pa.array([[1, 2], None, [3], [3, 4, 5], [6, None], [7, float("inf")], [], [8, 9]], pa.list_(pa.float32()))
    rows, matrix, reasons = usable_vectors(column.slice(0), 2)
    assert rows.tolist() == [0, 7]
    assert matrix.tolist() == [[1, 2], [8, 9]]
    assert reasons == {
        1: "missing vector",
        2: "vector of 1 numbers, expected 2",
        3: "vector of 3 numbers, expected 2",
        4: "vector is not finite",
        5: "vector is not finite",
        6: "vector of 0 numbers, expected 2",
    }


@pytest.mark.parametrize("values", [[[1, 2], [3, 4], [5, 6]], [[1, 2], None, [5, 6]], [None, None, None], []])
def test_a_slice_of_a_column_gives_the_vectors_of_the_slice(values):
    column = pa.array([[0, 0], *values, [9, 9]], pa.list_(pa.float64())).slice(1, len(values))
    rows, matrix, reasons = usable_vectors(column, 2)
    assert {int(row): vector for row, vector in zip(rows, matrix.tolist(), strict=True)} == {
        row: vector for row, vector in enumerate(values) if vector is not None
    }
    assert set(reasons) == {row for row, vector in enumerate(values) if vector is None}
