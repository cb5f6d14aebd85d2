"""The DataFrame functions keep every row, and give each its vector or its reason."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bert_spark import BertEncoder, EncoderConfig, preview, with_embedding
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.tables.provenance import ENCODER_KEY, FINGERPRINT_KEY
from tests.support.row_counter import rows_through_python


def test_every_row_is_kept_and_gets_its_own_vector(table, config, tiny_bert, transformers_cls):
    rows = table.transform(with_embedding(config)).collect()
    assert sorted(row.id for row in rows) == list(range(100))
    expected = transformers_cls(tiny_bert, [row.text for row in rows])
    np.testing.assert_allclose(np.array([row.embedding for row in rows]), expected, atol=1e-5)


def test_new_columns_are_the_vector_and_the_reason(table, config):
    schema = table.transform(with_embedding(config)).schema
    assert [(field.name, field.dataType.simpleString()) for field in schema][2:] == [
        ("embedding", "array<float>"),
        ("error", "string"),
    ]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9 hello", "caf\ufffd hello"),  # latin-1
        (b"\xff", "\ufffd"),
        (b"so \xf0\x9f\x98", "so \ufffd"),  # a truncated emoji
        (b"hi \xc3\xa9", "hi \u00e9"),
    ],
)
def test_the_model_reads_invalid_utf8_as_replacement_characters(
    spark, config, tiny_bert, transformers_cls, tmp_path, raw, text
):
    assert raw.decode("utf-8", "replace") == text
    column = pa.array([raw, None], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    rows = spark.read.parquet(str(tmp_path / "x.parquet")).transform(with_embedding(config)).drop("text").collect()
    assert [row.error for row in rows] == [None, "missing text"]
    np.testing.assert_allclose([rows[0].embedding], transformers_cls(tiny_bert, [text]), atol=1e-5)


def test_a_missing_text_gets_null_and_its_reason(spark, config):
    df = spark.createDataFrame([(1, None), (2, ""), (3, "  "), (4, "hi")], "id int, text string")
    found = {row.id: (row.embedding is None, row.error) for row in df.transform(with_embedding(config)).collect()}
    assert found == {1: (True, "missing text"), 2: (False, None), 3: (False, None), 4: (False, None)}


def test_partitions_without_texts_and_without_rows_are_embedded(spark, config):
    df = spark.createDataFrame([(i, None if i < 3 else "hi") for i in range(4)], "id int, text string").repartition(20)
    rows = df.transform(with_embedding(config)).orderBy("id").collect()
    assert [row.error for row in rows] == ["missing text"] * 3 + [None]


def test_an_empty_table_gives_an_empty_table(spark, config):
    df = spark.createDataFrame([], "id int, text string")
    assert df.transform(with_embedding(config)).collect() == []


def test_a_text_that_cannot_be_embedded_gets_its_reason_and_others_their_vectors(spark, config, tiny_bert):
    func_config = EncoderConfig(model=str(tiny_bert), embedding_func=infinite_for_long_texts())
    df = spark.createDataFrame([(1, "hi"), (2, "hi hi hi hi hi hi")], "id int, text string")
    found = {row.id: (row.embedding is None, row.error) for row in df.transform(with_embedding(func_config)).collect()}
    assert found == {1: (False, None), 2: (True, "vector is not finite")}


def infinite_for_long_texts():
    def cls(output):  # nested, so that it is pickled with its code: workers can't import this module
        state = output[0][:, 0, :]
        return state * float("inf") if output[0].shape[1] > 5 else state

    return cls


def test_diagnostics_report_tokens_truncation_unknown_tokens_and_reuse(spark, tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), max_length=5)
    df = spark.createDataFrame(
        [(i, text) for i, text in enumerate(["hi my name is nicolas", "hi \U0001f600", "hi \U0001f600"])],
        "id int, text string",
    )
    names = ("token_count", "truncated", "unknown_share", "reused")
    rows = df.coalesce(1).transform(with_embedding(config, diagnostics=names)).orderBy("id").collect()
    assert [tuple(row[name] for name in names) for row in rows] == [
        (7, True, 0.0, False),
        (4, False, 0.5, False),
        (4, False, 0.5, True),
    ]


def test_the_vector_column_names_its_encoder(table, config, tmp_path, spark):
    table.transform(with_embedding(config)).write.parquet(str(tmp_path / "out"))
    metadata = spark.read.parquet(str(tmp_path / "out")).schema["embedding"].metadata
    assert metadata[FINGERPRINT_KEY] == config_fingerprint(config)
    assert '"max_length": 60' in metadata[ENCODER_KEY]


def test_preview_embeds_its_rows_only(spark, table, config):
    with rows_through_python(spark) as rows:
        assert len(table.transform(preview(config, 10)).collect()) == 10
    assert rows == [10]


def test_large_texts_are_not_cut_in_the_output(spark, config):
    df = spark.range(200).selectExpr("id", "repeat(concat('hi ', id, ' '), 15000) text").coalesce(1)
    rows = df.transform(with_embedding(config, diagnostics=["truncated"])).selectExpr(
        "id", "size(embedding) n", "truncated", "length(text) > 70000 AS whole"
    )
    assert {tuple(row)[1:] for row in rows.collect()} == {(32, True, True)}


def test_column_names_may_contain_dots(spark, config):
    df = spark.createDataFrame([("hi", 1)], "`the.text` string, `an.id` int")
    out = df.transform(with_embedding(config, text_column="the.text"))
    assert out.columns == ["the.text", "an.id", "embedding", "error"]
    assert len(out.collect()[0]["embedding"]) == 32


def test_nested_texts_are_embedded_and_malformed_records_keep_their_raw_text(spark, config, tiny_bert):
    rows = [(1, (("long text", 5),), "long", None), (2, None, "hi", None), (3, None, None, "not json")]
    schema = "id int, tweet struct<ext:struct<full_text:string,n:int>>, text string, _malformed_record string"
    df = spark.createDataFrame(rows, schema)
    out = df.transform(with_embedding(config, text_column="tweet.ext.full_text,text"))
    assert out.drop("embedding", "error").schema == df.drop("_malformed_record").schema
    found = {row.id: row for row in out.collect()}
    expected = BertEncoder.from_config(config).encode(["long text", "hi"])
    np.testing.assert_allclose([found[1].embedding, found[2].embedding], expected, atol=1e-5)
    assert (found[3].tweet.ext.full_text, found[3].text, found[3].error) == ("not json", None, "malformed row")
