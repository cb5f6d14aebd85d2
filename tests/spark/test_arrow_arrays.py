"""Arrow columns over matrices: null where there is no row, and never more numbers than a list column can hold."""

from types import SimpleNamespace

import numpy as np
import pytest

from bert_spark.errors import ConfigError
from bert_spark.spark.arrow_arrays import matrix_to_list_array


def test_each_row_has_its_own_list_and_others_are_null():
    matrix = np.array([[1, 2], [3, 4]], dtype=np.float32)
    assert matrix_to_list_array(matrix, np.array([0, 2]), 3).to_pylist() == [[1.0, 2.0], None, [3.0, 4.0]]


def test_more_numbers_than_a_column_holds_are_refused_with_what_to_change():
    flat = SimpleNamespace(shape=(8192, 512 * 768), reshape=lambda size: np.zeros(1, dtype=np.float32))  # not 12 GB
    with pytest.raises(ConfigError, match=r"8,192 vectors of 393,216 numbers .* set window_rows to 5461 or less"):
        matrix_to_list_array(flat, np.arange(8192), 8192)
    assert 5461 * 512 * 768 < 2**31 < 5462 * 512 * 768
