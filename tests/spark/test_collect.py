"""From a DataFrame to Arrow and to one matrix on the driver."""

import pyarrow as pa
import pytest

from bert_spark.errors import DataError
from bert_spark.spark.collect import collect_arrow, fill_matrix


def test_vectors_are_collected_without_pandas(spark, monkeypatch):
    df = spark.createDataFrame([("a", [1.0, 2.0]), (None, None)], "text string, vector array<float>").coalesce(1)
    monkeypatch.setattr(type(df), "toPandas", lambda self: pytest.fail("went through pandas"))
    found = collect_arrow(df)
    assert found.to_pylist() == [{"text": "a", "vector": [1.0, 2.0]}, {"text": None, "vector": None}]
    assert found.schema.field("vector").type.value_type == pa.float32()


def test_an_empty_table_keeps_its_columns(spark):
    found = collect_arrow(spark.createDataFrame([], "text string, number int"))
    assert (found.num_rows, found.column_names) == (0, ["text", "number"])
    assert found.schema.field("number").type == pa.int32()


def batch(vectors):
    return pa.record_batch(
        {"vector": pa.array(vectors, pa.list_(pa.float32())), "n": pa.array(range(len(vectors)), pa.int64())}
    )


def test_batches_fill_one_matrix_and_rows_without_a_vector_are_dropped():
    matrix, others = fill_matrix([batch([None]), batch([[1, 2], None, [3, 4]]), batch([]), batch([[5, 6]])], 5)
    assert matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert others["n"].to_pylist() == [0, 2, 0]


def test_more_vectors_than_counted_rows_are_refused():
    with pytest.raises(DataError, match="got more than the 1 rows that were counted"):
        fill_matrix([batch([[1], [2]])], 1)
