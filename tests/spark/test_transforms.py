"""What the DataFrame functions promise: rows, reasons, and that BERT runs once a row."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from bert_spark import EncoderConfig, preview, with_embedding
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.spark.arrow_arrays import column_values
from bert_spark.spark.transforms import embedding_udf
from bert_spark.spark.udf import EMBEDDING_FIELDS
from bert_spark.spark.windowing import group_into_windows
from bert_spark.tables.provenance import ENCODER_KEY, FINGERPRINT_KEY
from bert_spark.tables.row_counts import output_counts
from tests.support.row_counter import rows_through_python


@pytest.fixture(scope="module")
def config(tiny_bert):
    return EncoderConfig(model=str(tiny_bert))


@pytest.fixture
def table(spark):
    """Return a table of 100 different texts in 4 partitions."""
    rows = [(i, f"tweet {i} is so good") for i in range(100)]
    return spark.createDataFrame(rows, "id long, text string").repartition(4)


def test_rows_out_are_rows_in_each_beside_its_own_vector(table, config, tiny_bert, transformers_cls):
    rows = table.transform(with_embedding(config)).collect()
    assert sorted(row.id for row in rows) == list(range(100))
    expected = transformers_cls(tiny_bert, [row.text for row in rows])
    np.testing.assert_allclose(np.array([row.embedding for row in rows]), expected, atol=1e-5)


def test_new_columns_are_array_of_float_and_reason(table, config):
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
        (b"so \xf0\x9f\x98", "so \ufffd"),  # an emoji cut short
        (b"hi \xc3\xa9", "hi \u00e9"),
    ],
)
def test_bytes_that_are_no_utf_8_are_replacement_characters_to_the_model(
    spark, config, tiny_bert, transformers_cls, tmp_path, raw, text
):
    assert raw.decode("utf-8", "replace") == text
    column = pa.array([raw, None], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    rows = spark.read.parquet(str(tmp_path / "x.parquet")).transform(with_embedding(config)).drop("text").collect()
    assert [row.error for row in rows] == [None, "missing text"]
    np.testing.assert_allclose([rows[0].embedding], transformers_cls(tiny_bert, [text]), atol=1e-5)


def test_bytes_that_are_no_utf_8_leave_arrow_as_replacement_characters():
    column = pa.array([b"caf\xe9", None, b"hi"], pa.binary()).view(pa.string())
    assert column_values(pa.chunked_array([column])) == column_values(column) == ["caf\ufffd", None, "hi"]


@pytest.mark.parametrize(
    ("cut", "read", "unknown"),
    [(True, 60 + 10, 0.5 * 60 / 70), (False, 100 + 10, 0.5 * 100 / 110)],  # of windows all tokens are read
)
def test_tokens_read_are_those_before_the_cut_where_there_is_one(spark, cut, read, unknown):
    names = {name: name for name in ("token_count", "truncated", "unknown_share", "reused")}
    table = spark.createDataFrame(
        [(None, 100, cut, 0.5, False), (None, 10, False, 0.0, False)],
        "error string, token_count int, truncated boolean, unknown_share float, reused boolean",
    )
    found = table.agg(*output_counts("error", names, max_length=60)).first()
    assert (found.tokens_read, found.unknown_token_share) == (read, pytest.approx(unknown))


def test_missing_text_gives_null_and_its_reason(spark, config):
    df = spark.createDataFrame([(1, None), (2, ""), (3, "  "), (4, "hi")], "id int, text string")
    found = {row.id: (row.embedding is None, row.error) for row in df.transform(with_embedding(config)).collect()}
    assert found == {1: (True, "missing text"), 2: (False, None), 3: (False, None), 4: (False, None)}


def test_partition_with_only_missing_texts_and_empty_partitions(spark, config):
    df = spark.createDataFrame([(i, None if i < 3 else "hi") for i in range(4)], "id int, text string").repartition(20)
    rows = df.transform(with_embedding(config)).orderBy("id").collect()
    assert [row.error for row in rows] == ["missing text"] * 3 + [None]


def test_empty_table_gives_empty_table(spark, config):
    df = spark.createDataFrame([], "id int, text string")
    assert df.transform(with_embedding(config)).collect() == []


def test_text_that_cannot_be_embedded_gets_its_reason_and_the_others_their_vectors(spark, config, tiny_bert):
    func_config = EncoderConfig(model=str(tiny_bert), embedding_func=infinite_for_long_texts())
    df = spark.createDataFrame([(1, "hi"), (2, "hi hi hi hi hi hi")], "id int, text string")
    found = {row.id: (row.embedding is None, row.error) for row in df.transform(with_embedding(func_config)).collect()}
    assert found == {1: (False, None), 2: (True, "vector is not finite")}


def infinite_for_long_texts():
    def cls(output):  # nested: pickled with its code, since workers can't import this module
        state = output[0][:, 0, :]
        return state * float("inf") if output[0].shape[1] > 5 else state

    return cls


def test_diagnostics_tell_tokens_cut_unknown_and_reused(spark, tiny_bert):
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


def test_vector_column_says_which_encoder_made_it(table, config, tmp_path, spark):
    table.transform(with_embedding(config)).write.parquet(str(tmp_path / "out"))
    metadata = spark.read.parquet(str(tmp_path / "out")).schema["embedding"].metadata
    assert metadata[FINGERPRINT_KEY] == config_fingerprint(config)
    assert '"max_length": 60' in metadata[ENCODER_KEY]


@pytest.mark.parametrize(
    "use",
    [
        lambda df: df,
        lambda df: df.where("embedding is not null"),
        lambda df: df.where("embedding[0] > -1e9").select("id", "embedding", "error"),
        lambda df: df.select("id", F.size("embedding"), F.col("embedding")[0], "error"),
        lambda df: df.select("id", F.explode("embedding")),
        lambda df: df.agg(F.count("embedding"), F.count("error")),
    ],
    ids=["plain", "filter on the vector", "filter and use", "double use of its fields", "explode", "aggregate"],
)
def test_every_row_goes_through_the_udf_once(spark, table, config, use):
    with rows_through_python(spark) as rows:
        use(table.transform(with_embedding(config))).write.format("noop").mode("overwrite").save()
    assert rows == [100]


@pytest.mark.skipif(not hasattr(F, "arrow_udf"), reason="Spark before 4.1 has no Arrow UDF")
def test_the_counter_sees_a_plain_udf_run_twice(spark, table, config):
    """The check of the check: without asNondeterministic a filter doubles the work, and the counter shows it."""
    plain = F.arrow_udf(embedding_udf(config).func, EMBEDDING_FIELDS)
    df = table.withColumn("made", plain(F.col("text"))).where("made.embedding is not null").select("made.embedding")
    with rows_through_python(spark) as rows:
        df.write.format("noop").mode("overwrite").save()
    assert rows == [100, 100]


def test_texts_go_through_bert_once_a_window(spark, tiny_bert, tmp_path):
    """Each of 3 texts of 7 tokens stands 10 times in one partition: 3 go through BERT."""
    log = tmp_path / "log"
    config = EncoderConfig(model=str(tiny_bert), embedding_func=counting(str(log)))
    df = spark.createDataFrame(
        [(text,) for text in ["hi me so sad today", "i like the good work", "love you me in one"] * 10], "text string"
    ).coalesce(1)
    df.transform(with_embedding(config)).write.format("noop").mode("overwrite").save()
    assert sum(int(line) for line in log.read_text().split()) == 3


def counting(path):
    def cls_and_count(output):
        if output[0].shape[1] == 7:  # a new encoder probes the function with shorter ones
            with open(path, "a") as log:
                log.write(f"{output[0].shape[0]}\n")
        return output[0][:, 0, :]

    return cls_and_count


def test_a_worker_loads_the_model_once_over_many_partitions(spark, tiny_bert, tmp_path):
    log = tmp_path / "log"
    config = EncoderConfig(model=str(tiny_bert), embedding_func=loads(str(log)), token_budget=64)
    df = spark.range(400).selectExpr("concat('so good tweet ', id) text").repartition(50)
    df.transform(with_embedding(config)).write.format("noop").mode("overwrite").save()
    seen = [line.split() for line in log.read_text().splitlines()]
    models = {(pid, model) for pid, model in seen}
    # a task of two UDFs has two workers: Spark keeps as many as the busiest query of the session had
    assert len(models) == len({pid for pid, _ in models}) <= 4


def loads(path):
    def cls_and_process(output):
        from bert_spark.encoding import encoder_cache

        if output[0].shape[1] > 4:  # a new encoder probes the function with shorter ones
            with open(path, "a") as log:
                log.write(f"{os.getpid()} {encoder_cache.model_loads()}\n")
        return output[0][:, 0, :]

    return cls_and_process


def test_a_preview_embeds_its_rows_only(spark, table, config):
    with rows_through_python(spark) as rows:
        assert len(table.transform(preview(config, 10)).collect()) == 10
    assert rows == [10]


def test_a_batch_of_many_large_texts_is_cut_into_windows(monkeypatch):
    monkeypatch.setattr("bert_spark.spark.windowing.WINDOW_BYTES", 1000)
    texts = pa.array([f"{i:04d}" * 100 for i in range(11)])
    found = [
        sum(len(batch[0]) for batch in window) for window in group_into_windows([(texts,), (pa.array(["hi"]),)], 8192)
    ]
    assert found == [2, 2, 2, 2, 2, 2]
    parts = [batch[0] for window in group_into_windows([(texts,)], 8192) for batch in window]
    assert pa.concat_arrays(parts).to_pylist() == texts.to_pylist()


def test_no_rows_are_no_window_of_rows():
    assert [len(window[0][0]) for window in group_into_windows([(pa.array([], pa.string()),)], 10)] == [0]


def test_large_texts_come_out_whole(spark, config):
    df = spark.range(200).selectExpr("id", "repeat(concat('hi ', id, ' '), 15000) text").coalesce(1)
    rows = df.transform(with_embedding(config, diagnostics=["truncated"])).selectExpr(
        "id", "size(embedding) n", "truncated", "length(text) > 70000 AS whole"
    )
    assert {tuple(row)[1:] for row in rows.collect()} == {(32, True, True)}


def test_pickled_udf_is_small(config):
    from pyspark.serializers import CloudPickleSerializer

    assert len(CloudPickleSerializer().dumps(embedding_udf(config).func)) < 100_000
