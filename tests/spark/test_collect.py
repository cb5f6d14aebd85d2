"""From a DataFrame to Arrow on the driver."""

import pyarrow as pa
import pytest

from bert_spark.spark.collect import collect_arrow


def test_vectors_come_without_a_python_object_a_row(spark, monkeypatch):
    df = spark.createDataFrame([("a", [1.0, 2.0]), (None, None)], "text string, vector array<float>").coalesce(1)
    monkeypatch.setattr(type(df), "toPandas", lambda self: pytest.fail("through pandas"))
    found = collect_arrow(df)
    assert found.to_pylist() == [{"text": "a", "vector": [1.0, 2.0]}, {"text": None, "vector": None}]
    assert found.schema.field("vector").type.value_type == pa.float32()


def test_an_empty_table_has_its_columns(spark):
    found = collect_arrow(spark.createDataFrame([], "text string, number int"))
    assert (found.num_rows, found.column_names) == (0, ["text", "number"])
    assert found.schema.field("number").type == pa.int32()
