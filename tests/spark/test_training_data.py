"""Training examples are checked before vectors are read, and are the same through Spark and from Parquet files."""

import numpy as np
import pyarrow as pa
import pytest

from bert_spark.errors import DataError, FingerprintError
from bert_spark.spark import training_data
from bert_spark.spark.parquet_rows import parquet_rows
from bert_spark.spark.training_data import labelled_examples
from bert_spark.spark.training_rows import SparkRows
from bert_spark.training.config import HeadConfig, TrainConfig


@pytest.fixture
def train(stored):
    return TrainConfig(embeddings=stored)


def test_examples_from_files_equal_those_through_spark(spark, source, stored, train):
    from_files, _, facts = labelled_examples(parquet_rows(source, train), None, train, HeadConfig())
    rows = SparkRows(spark.read.parquet(stored), source, train)
    through_spark, _, expected_facts = labelled_examples(rows, None, train, HeadConfig())
    assert facts == expected_facts
    assert facts["counts"]["missing_or_malformed_text"] == 1
    order, expected_order = np.argsort(from_files.texts), np.argsort(through_spark.texts)
    assert (from_files.labels[order] == through_spark.labels[expected_order]).all()
    np.testing.assert_array_equal(from_files.vectors[order], through_spark.vectors[expected_order])


def test_training_from_files_starts_no_spark(stored, tmp_path, run_forked):
    code = f"""
import sys
from pyspark import SparkContext
from jobs import train
assert callable(sys.modules[SparkContext.__module__].launch_gateway)
sys.modules[SparkContext.__module__].launch_gateway = None
options = ["--text-column", "my.text", "--max-rows", "200", "--output", {str(tmp_path / "artefact")!r}]
raise SystemExit(train.main(["--embeddings", {stored!r}, *options]))
"""
    assert "artefact: " in run_forked(code)


def test_vectors_of_a_model_that_has_changed_are_refused(source, train, monkeypatch):
    monkeypatch.setattr("bert_spark.spark.training_data.config_fingerprint", lambda config: "0" * 64)
    with pytest.raises(FingerprintError, match="holds vectors of encoder"):
        labelled_examples(parquet_rows(source, train), None, train, HeadConfig())


def test_vectors_that_do_not_fit_are_refused_before_texts_are_read(source, train, monkeypatch):
    rows = parquet_rows(source, train)
    monkeypatch.setattr(rows, "pairs", lambda size: pytest.fail("texts were read"))
    monkeypatch.setattr("bert_spark.memory.available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"the driver has 0\.0 GB"):
        labelled_examples(rows, None, train, HeadConfig())


def test_reused_vectors_have_no_token_counts():
    """An output of --reuse has null counts if a vector was taken from an earlier output."""
    columns = {"truncated": [True, None, False], "token_count": [70, None, 20], "unknown_share": [0.5, None, 0.0]}
    table = pa.table({name: pa.chunked_array([values]) for name, values in columns.items()})
    assert training_data._token_counts(table, 60) == {"truncated": 1, "unknown_token_share": 0.375}
