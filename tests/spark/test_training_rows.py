"""Rows to learn from are the same through Spark and from Parquet files. These are read without a JVM."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from bert_spark.errors import DataError
from bert_spark.spark.collect import fill_matrix
from bert_spark.spark.parquet_rows import ParquetRows, parquet_rows
from bert_spark.spark.training_rows import SparkRows
from bert_spark.tables.config import InputConfig
from bert_spark.training.config import TrainConfig


@pytest.fixture(params=["spark", "files"])
def rows(request, spark, source, stored):
    train = TrainConfig(embeddings=stored)
    if request.param == "files":
        return parquet_rows(source, train)
    return SparkRows(spark.read.parquet(stored), source, train)


def test_rows_are_counted(rows):
    assert rows.counts() == (303, 301, 300)
    assert {"my.text", "label", "run_date", "embedding", "token_count"} <= set(rows.columns)


def test_a_sample_is_of_the_rows_with_the_first_hashes(rows, labelled):
    by_hash = sorted(hashlib.sha256(text.encode()).hexdigest() for text, label, _ in labelled if text and label)
    pairs, sample = rows.pairs(120)
    assert sorted(hashlib.sha256(text.encode()).hexdigest() for text in texts_of(pairs)) == by_hash[:120]
    _, columns = fill_matrix(rows.vectors(sample), 120)
    assert texts_of(columns) == texts_of(pairs)
    assert rows.pairs(None)[0].num_rows == 300


@pytest.mark.parametrize("reader", ["spark", "files"])
@pytest.mark.parametrize("size", [1, 3, 4, 5, 11])
def test_a_sample_has_its_size_where_texts_are_equal(spark, tmp_path, reader, size):
    """Of 10,000 rows with 1,000 labels --max-rows 500 once took 38, and of equal texts all or none."""
    rows = [("same", label, [1.0]) for label in ["b", "a", "b", "b", "a"]]
    rows += [(f"other {n}", "a", [2.0]) for n in range(7)]
    unusable = [("same", None, [3.0])] * 50 + [(None, "a", [3.0])] * 50
    schema = "text string, label string, embedding array<float>"
    spark.createDataFrame(rows + unusable, schema).repartition(3).write.parquet(str(tmp_path / "rows"))
    train = TrainConfig(embeddings=str(tmp_path / "rows"))
    read = parquet_rows if reader == "files" else lambda *of: SparkRows(spark.read.parquet(train.embeddings), *of)
    found = read(InputConfig(), train)
    pairs, sample = found.pairs(size)
    expected = sorted((hashlib.sha256(text.encode()).hexdigest(), label) for text, label, _ in rows)[:size]
    for table in (pairs, fill_matrix(found.vectors(sample), size)[1]):
        keys = [(hashlib.sha256(row["text"].encode()).hexdigest(), row["label"]) for row in table.to_pylist()]
        assert sorted(keys) == expected


def texts_of(table):
    return sorted(table["text"].to_pylist())


def test_each_vector_belongs_to_its_text_and_label(rows, labelled, tiny_bert, transformers_cls):
    matrix, columns = fill_matrix(rows.vectors(None), 301)
    assert (matrix.dtype, matrix.shape, columns.num_rows) == (np.float32, (300, 32), 300)
    np.testing.assert_allclose(matrix, transformers_cls(tiny_bert, columns["text"].to_pylist()), atol=1e-5)
    labels = dict(row[:2] for row in labelled)
    assert all(labels[row["text"]] == row["label"] for row in columns.to_pylist())


def test_other_inputs_are_left_to_spark(spark, source, stored, tmp_path):
    spark.range(3).write.csv(str(tmp_path / "csv"))
    pa.parquet.write_table(pa.table({"label": ["a"]}), tmp_path / "not_sparks.parquet")
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    for name in ("csv", "delta", "absent", "not_sparks.parquet"):
        assert parquet_rows(source, TrainConfig(embeddings=str(tmp_path / name))) is None
    assert parquet_rows(source, TrainConfig()) is None
    assert isinstance(parquet_rows(source, TrainConfig(embeddings=stored)), ParquetRows)


@pytest.mark.parametrize("reader", ["spark", "files"])
def test_nested_texts_and_labels_are_the_same_through_spark_and_from_files(spark, tmp_path, reader):
    rows = [(("long",), "short", ("joy",), [1.0]), ((None,), "hi", ("NA",), [2.0]), (None, "so", None, [3.0])]
    schema = "tweet struct<full_text:string>, text string, mood struct<label:string>, embedding array<float>"
    spark.createDataFrame(rows, schema).coalesce(1).write.parquet(str(tmp_path / "nested"))
    source = InputConfig(text_column="tweet.full_text, text")
    train = TrainConfig(embeddings=str(tmp_path / "nested"), label_column="mood.label")
    found = parquet_rows(source, train)
    if reader == "spark":
        found = SparkRows(spark.read.parquet(str(tmp_path / "nested")), source, train)
    assert found.counts() == (3, 2, 2)
    assert [tuple(row.values()) for row in found.pairs(None)[0].to_pylist()] == [("long", "joy"), ("hi", "NA")]
    (batch,) = found.vectors(None)
    assert batch.to_pylist()[0] == {"text": "long", "label": "joy", "vector": [1.0]}
    assert found.warnings() == [
        "50.00% of the labels are a word such as NA, None or \\N: does it mean a missing value (--null-value)?"
    ]


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        (InputConfig(text_column="nope"), {}, r"column 'nope' not found; the table has \["),
        (InputConfig(text_column="my.text"), {"label_column": "nope"}, "column 'nope' not found"),
        (InputConfig(text_column="embedding"), {}, r"column 'embedding' is array<float>; expected string"),
    ],
)
def test_a_missing_column_or_a_wrong_type_is_named(stored, settings, more, message):
    with pytest.raises(DataError, match=message):
        parquet_rows(settings, TrainConfig(embeddings=stored, **more))
