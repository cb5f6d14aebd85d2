"""Rows to learn from are the same through Spark and straight from Parquet files; for these no JVM starts."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from bert_spark import with_embedding
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import DataError, FingerprintError
from bert_spark.spark import training_data
from bert_spark.spark.collect import fill_matrix
from bert_spark.spark.training_data import labelled_examples
from bert_spark.spark.training_rows import ParquetRows, SparkRows, parquet_rows
from bert_spark.tables.config import InputConfig
from bert_spark.training.config import HeadConfig, TrainConfig

ROWS = [(f"tweet number {i}", ["joy", "grief"][i % 2], f"2026-11-{20 + i % 3}") for i in range(300)]
ROWS += [(None, "joy", "2026-11-20"), ("no label", None, "2026-11-21"), (None, None, "2026-11-22")]
SOURCE = InputConfig(text_column="my.text")


@pytest.fixture(scope="module")
def stored(spark, tiny_bert, tmp_path_factory):
    """Return a folder of vectors in partitions by day."""
    folder = str(tmp_path_factory.mktemp("stored") / "vectors")
    df = spark.createDataFrame(ROWS, "`my.text` string, label string, run_date string").repartition(4)
    add = with_embedding(EncoderConfig(model=str(tiny_bert)), text_column="my.text", diagnostics=["token_count"])
    df.transform(add).write.partitionBy("run_date").parquet(folder)
    return folder


def settings(folder, **more):
    return TrainConfig(embeddings=folder, **more)


@pytest.fixture(params=["spark", "files"])
def rows(request, spark, stored):
    if request.param == "files":
        return parquet_rows(SOURCE, settings(stored))
    return SparkRows(spark.read.parquet(stored), SOURCE, settings(stored))


def test_rows_are_counted(rows):
    assert rows.counts() == (303, 301, 300)
    assert {"my.text", "label", "run_date", "embedding", "token_count"} <= set(rows.columns)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_share_is_the_same_rows_everywhere(rows, spark, stored, share):
    other = SparkRows(spark.read.parquet(stored), SOURCE, settings(stored))
    mine, theirs = rows.pairs(share).to_pylist(), other.pairs(share).to_pylist()
    assert sorted(row["text"] for row in mine) == sorted(row["text"] for row in theirs)
    assert len(mine) == 300 if share == 1.0 else 90 < len(mine) < 150


def test_vectors_stand_beside_their_texts(rows, tiny_bert, transformers_cls):
    matrix, others = fill_matrix(rows.vectors(1.0), 301)
    assert (matrix.dtype, matrix.shape, others.num_rows) == (np.float32, (300, 32), 300)
    np.testing.assert_allclose(matrix, transformers_cls(tiny_bert, others["text"].to_pylist()), atol=1e-5)
    labels = dict(row[:2] for row in ROWS)
    assert all(labels[row["text"]] == row["label"] for row in others.to_pylist())


def test_examples_are_those_of_spark(spark, stored):
    here, _, facts = labelled_examples(parquet_rows(SOURCE, settings(stored)), None, settings(stored), HeadConfig())
    rows = SparkRows(spark.read.parquet(stored), SOURCE, settings(stored))
    there, _, others = labelled_examples(rows, None, settings(stored), HeadConfig())
    assert facts == others
    assert facts["counts"]["missing_or_malformed_text"] == 1
    order, other = np.argsort(here.texts), np.argsort(there.texts)
    assert (here.labels[order] == there.labels[other]).all()
    np.testing.assert_array_equal(here.vectors[order], there.vectors[other])


def test_training_from_files_starts_no_spark(stored, tmp_path, run_fresh):
    code = f"""
import sys
from pyspark import SparkContext
from jobs import train
assert callable(sys.modules[SparkContext.__module__].launch_gateway)
sys.modules[SparkContext.__module__].launch_gateway = None
options = ["--text-column", "my.text", "--max-rows", "200", "--output", {str(tmp_path / "artefact")!r}]
raise SystemExit(train.main(["--embeddings", {stored!r}, *options]))
"""
    assert "artefact: " in run_fresh(code)


def test_what_takes_spark_to_read_is_left_to_it(spark, stored, tmp_path):
    spark.range(3).write.csv(str(tmp_path / "csv"))
    pa.parquet.write_table(pa.table({"label": ["a"]}), tmp_path / "not_sparks.parquet")
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    for place in ("csv", "delta", "absent", "not_sparks.parquet"):
        assert parquet_rows(SOURCE, settings(str(tmp_path / place))) is None
    assert parquet_rows(SOURCE, TrainConfig()) is None
    assert isinstance(parquet_rows(SOURCE, settings(stored)), ParquetRows)


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        (InputConfig(text_column="nope"), {}, r"column 'nope' not found; the table has \["),
        (SOURCE, {"label_column": "nope"}, "column 'nope' not found"),
        (InputConfig(text_column="embedding"), {}, r"column 'embedding' is array<float>; expected string"),
    ],
)
def test_columns_that_are_not_there_are_named(stored, source, more, said):
    with pytest.raises(DataError, match=said):
        parquet_rows(source, settings(stored, **more))


def test_vectors_of_a_model_that_changed_meanwhile_are_refused(stored, monkeypatch):
    monkeypatch.setattr("bert_spark.spark.training_data.config_fingerprint", lambda config: "0" * 64)
    with pytest.raises(FingerprintError, match="holds vectors of encoder"):
        labelled_examples(parquet_rows(SOURCE, settings(stored)), None, settings(stored), HeadConfig())


def test_what_would_not_fit_is_refused_before_any_text_is_read(stored, monkeypatch):
    rows = parquet_rows(SOURCE, settings(stored))
    monkeypatch.setattr(rows, "pairs", lambda share: pytest.fail("texts were read"))
    monkeypatch.setattr("bert_spark.memory.available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"the driver has 0\.0 GB"):
        labelled_examples(rows, None, settings(stored), HeadConfig())


def batch(vectors):
    return pa.record_batch(
        {"vector": pa.array(vectors, pa.list_(pa.float32())), "n": pa.array(range(len(vectors)), pa.int64())}
    )


def test_batches_fill_one_matrix_and_rows_without_a_vector_go():
    matrix, others = fill_matrix([batch([None]), batch([[1, 2], None, [3, 4]]), batch([]), batch([[5, 6]])], 5)
    assert matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert others["n"].to_pylist() == [0, 2, 0]


def test_a_table_that_grew_meanwhile_is_refused():
    with pytest.raises(DataError, match="got more than the 1 rows that were counted"):
        fill_matrix([batch([[1], [2]])], 1)


def test_tokens_are_those_of_texts_that_went_through_bert():
    """An output of --reuse has no counts where a vector was taken from an earlier one."""
    columns = {"truncated": [True, None, False], "token_count": [70, None, 20], "unknown_share": [0.5, None, 0.0]}
    table = pa.table({name: pa.chunked_array([values]) for name, values in columns.items()})
    assert training_data._token_counts(table, 60) == {"truncated": 1, "unknown_token_share": 0.375}
