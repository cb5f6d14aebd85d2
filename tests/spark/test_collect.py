"""From a DataFrame to Arrow and to one matrix on the driver."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from bert_spark.errors import DataError
from bert_spark.spark.collect import check_result_size, collect_arrow, fill_matrix


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


@pytest.mark.parametrize(
    ("setting", "rows", "refused"),
    [
        ("1g", 349_525, False),
        ("1g", 349_526, True),
        ("2048m", 500_000, False),
        ("1048576", 342, True),
        ("1 KB", 1, True),
        ("0", 10**9, False),
    ],
)
def test_vectors_that_spark_does_not_send_to_the_driver_are_refused(setting, rows, refused):
    session = SimpleNamespace(conf={"spark.driver.maxResultSize": setting})
    if not refused:
        check_result_size(session, rows, 768)
        return
    with pytest.raises(DataError, match=f"Spark sends {setting} to the driver: set spark.driver.maxResultSize"):
        check_result_size(session, rows, 768)


def test_sparks_default_is_known():
    with pytest.raises(DataError, match=r"500,000 rows x 768 numbers x 4 bytes = 1.5 GB; Spark sends 1g to the driver"):
        check_result_size(SimpleNamespace(conf={}), 500_000, 768)
