"""Vectors of an earlier output are taken where the text is the same; BERT runs for the rest alone."""

import numpy as np
import pytest
from spark_counts import rows_through_python

from bert_spark import BertEncoder, EncoderConfig
from jobs import embed

FIRST = ["1,so happy", "2,i miss you", "3,", "4,hello"]
SECOND = ["5,hello", "6,so happy", "7,so sad", "8,", "9,so happy"]


@pytest.fixture
def job(tiny_bert, tmp_path):
    """Return a function that embeds lines of csv, by `id,text`, into a folder by name."""

    def run(name, lines, *options):
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,text", *lines, ""]))
        base = ["--input", str(tmp_path / f"{name}.csv"), "--model", str(tiny_bert), "--output", str(tmp_path / name)]
        return embed.main([*base, *options])

    return run


def test_only_new_texts_are_encoded_and_every_row_has_its_own_vector(
    spark, job, tiny_bert, tmp_path, monkeypatch, capfd
):
    assert job("first", FIRST) == 0
    capfd.readouterr()
    with rows_through_python(spark) as rows:
        assert job("second", SECOND, "--reuse", str(tmp_path / "first"), "--diagnostics") == 0
    assert rows == [len(SECOND)]
    assert "texts reused 3" in capfd.readouterr().out
    table = spark.read.parquet(str(tmp_path / "second"))
    assert table.columns == ["id", "text", "embedding", "error", "token_count", "truncated", "unknown_share"]
    found = {int(row.id): row for row in table.collect()}
    assert {key: row.text for key, row in found.items()} == {
        5: "hello",
        6: "so happy",
        7: "so sad",
        8: None,
        9: "so happy",
    }
    assert {key: row.error for key, row in found.items() if row.error} == {8: "missing text"}
    assert [found[key].token_count for key in (5, 6, 9)] == [None] * 3  # BERT's tokenizer did not see them
    expected = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert))).encode(["hello", "so happy", "so sad"])
    np.testing.assert_allclose([found[key].embedding for key in (5, 6, 7)], expected, atol=1e-5)
    assert job("third", FIRST, "--reuse", str(tmp_path / "second")) == 0  # its vectors say whose they are


def test_a_dot_in_a_columns_name_names_no_field(spark, job, tiny_bert, tmp_path):
    named = ["--embedding-column", "a.vector", "--error-column", "an.error"]
    assert job("first", FIRST, *named) == 0
    assert job("second", SECOND, *named, "--reuse", str(tmp_path / "first")) == 0
    found = {int(row.id): row["a.vector"] for row in spark.read.parquet(str(tmp_path / "second")).collect()}
    expected = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert))).encode(["hello", "so happy", "so sad"])
    np.testing.assert_allclose([found[key] for key in (5, 6, 7)], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--max-length", "9"], 1, "holds vectors of"),
        (["--incremental", "--checkpoint", "x"], 2, "got --reuse with --incremental"),
    ],
)
def test_another_encoders_vectors_are_refused_before_any_work(spark, job, tmp_path, caplog, options, code, said):
    assert job("first", FIRST) == 0
    with rows_through_python(spark) as rows:
        assert job("second", SECOND, "--reuse", str(tmp_path / "first"), *options) == code
    assert said in caplog.text
    assert rows == []


def test_a_table_without_vectors_is_named(spark, job, tmp_path, caplog):
    spark.createDataFrame([("1", "hello")], "id string, text string").write.parquet(str(tmp_path / "plain"))
    assert job("second", SECOND, "--reuse", str(tmp_path / "plain")) == 1
    assert "column 'embedding' not found; the table has ['id', 'text']" in caplog.text
