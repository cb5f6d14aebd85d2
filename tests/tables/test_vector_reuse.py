"""Vectors of an earlier output are reused for the same texts. BERT runs for the other texts only."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F

from bert_spark import BertEncoder, EncoderConfig
from bert_spark.runs.task import Task
from bert_spark.tables.vector_reuse import join_known_vectors, merge_known_vectors
from jobs import embed
from tests.support.row_counter import rows_through_python

FIRST = ["1,so happy", "2,i miss you", "3,", "4,hello"]
SECOND = ["5,hello", "6,so happy", "7,so sad", "8,", "9,so happy"]


@pytest.fixture
def job(tiny_bert, tmp_path):
    """Return a function that embeds csv lines of id and text into a folder of that name."""

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
    assert [found[key].token_count for key in (5, 6, 9)] == [None] * 3  # the tokenizer did not run for reused texts
    expected = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert))).encode(["hello", "so happy", "so sad"])
    np.testing.assert_allclose([found[key].embedding for key in (5, 6, 7)], expected, atol=1e-5)
    assert job("third", FIRST, "--reuse", str(tmp_path / "second")) == 0  # the second output names its encoder too


def test_the_size_of_known_vectors_adds_no_tasks(spark, job, tmp_path):
    assert job("first", FIRST) == 0
    earlier, large = spark.read.parquet(str(tmp_path / "first")), str(tmp_path / "large")
    earlier.crossJoin(spark.range(20_000).select(F.sha2(F.col("id").cast("string"), 256))).write.parquet(large)
    assert sum(file.stat().st_size for file in Path(large).glob("*.parquet")) > 2 * 256 * 1024
    assert job("second", SECOND, "--reuse", large) == 0
    assert len(spark.read.parquet(str(tmp_path / "second")).inputFiles()) == 1


def test_vectors_are_read_in_small_batches_unless_the_user_sets_their_size(spark, job, tmp_path, monkeypatch):
    name, apply, seen = "spark.sql.parquet.columnarReaderBatchSize", Task.apply, []
    monkeypatch.setattr(Task, "apply", lambda *args, **more: seen.append(spark.conf.get(name)) or apply(*args, **more))
    assert job("first", FIRST) == 0
    assert job("second", SECOND, "--reuse", str(tmp_path / "first")) == 0
    assert spark.conf.get(name, None) is None
    spark.conf.set(name, "1000")
    assert job("third", SECOND, "--reuse", str(tmp_path / "first")) == 0
    assert spark.conf.get(name) == "1000"
    spark.conf.unset(name)
    assert seen == ["4096", "256", "1000"]


def test_rows_of_one_text_are_in_one_task_with_their_vector(spark):
    earlier = spark.createDataFrame([("a", [1.0]), ("a", [1.0]), ("b", [2.0])], "text string, v array<float>")
    rows = spark.createDataFrame([(t,) for t in "abcabc"], "text string").repartition(3)
    joined = join_known_vectors(earlier, "text", "v")(rows, 5)
    assert joined.rdd.getNumPartitions() == 5
    found = joined.select("*", F.spark_partition_id().alias("task")).collect()
    assert sorted((row.text or "", *(row[1] or ())) for row in found) == [
        ("", 1.0), ("", 1.0), ("", 2.0), ("", 2.0), ("c",), ("c",)
    ]  # fmt: skip
    assert len({(tuple(row[1] or ()), row.task) for row in found}) == 3


def test_different_texts_with_the_same_hash_keep_their_own_vectors(spark, job, tiny_bert, tmp_path, monkeypatch):
    assert job("first", FIRST) == 0
    monkeypatch.setattr(F, "xxhash64", lambda *columns: F.lit(7).cast("long"))
    assert job("second", SECOND, "--reuse", str(tmp_path / "first")) == 0
    rows = spark.read.parquet(str(tmp_path / "second")).where("text is not null").collect()
    expected = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert))).encode([row.text for row in rows])
    np.testing.assert_allclose([row.embedding for row in rows], expected, atol=1e-5)


def test_column_names_may_contain_dots(spark, job, tiny_bert, tmp_path):
    named = ["--embedding-column", "a.vector", "--error-column", "an.error"]
    assert job("first", FIRST, *named) == 0
    assert job("second", SECOND, *named, "--reuse", str(tmp_path / "first")) == 0
    found = {int(row.id): row["a.vector"] for row in spark.read.parquet(str(tmp_path / "second")).collect()}
    expected = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert))).encode(["hello", "so happy", "so sad"])
    np.testing.assert_allclose([found[key] for key in (5, 6, 7)], expected, atol=1e-5)


def test_nested_texts_are_reused_and_come_back_unchanged(spark):
    """The embedding function is its own: only texts that are not known reach it."""
    schema = "id int, tweet struct<full_text:string,n:int>, text string, _malformed_record string"
    first = [(1, ("long", 5), "lo", None), (2, None, "hi", None)]
    earlier = spark.createDataFrame(first, schema).drop("_malformed_record").withColumn("v", F.array("id"))
    rows = spark.createDataFrame([*first, (3, ("new", 6), "ne", None), (4, None, None, "{")], schema)

    def embed_texts(df):
        text = F.coalesce("tweet.full_text", "text")
        vector, error = F.when(text.isNotNull(), F.array(F.length(text))), F.lit(None).cast("string")
        return df.drop("_malformed_record").select("*", vector.alias("v"), error.alias("e"), F.lit(False).alias("r"))

    reference = "tweet.full_text,text"
    out = merge_known_vectors(embed_texts, "v", "e", "r")(join_known_vectors(earlier, reference, "v")(rows, 2))
    assert out.columns == ["id", "tweet", "text", "v", "e", "r"]
    found = {row.id: (row.tweet and tuple(row.tweet), row.text, row.v, row.r) for row in out.collect()}
    assert found == {
        1: (("long", 5), "lo", [1], True),
        2: (None, "hi", [2], True),
        3: (("new", 6), "ne", [3], False),
        4: (None, None, None, False),
    }


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--max-length", "9"], 1, "holds vectors of"),
        (["--incremental", "--checkpoint", "x"], 2, "got --reuse with --incremental"),
    ],
)
def test_another_encoders_vectors_are_refused_before_any_work(spark, job, tmp_path, caplog, options, code, message):
    assert job("first", FIRST) == 0
    with rows_through_python(spark) as rows:
        assert job("second", SECOND, "--reuse", str(tmp_path / "first"), *options) == code
    assert message in caplog.text
    assert rows == []


def test_a_table_without_vectors_is_refused(spark, job, tmp_path, caplog):
    spark.createDataFrame([("1", "hello")], "id string, text string").write.parquet(str(tmp_path / "plain"))
    assert job("second", SECOND, "--reuse", str(tmp_path / "plain")) == 1
    assert "column 'embedding' not found; the table has ['id', 'text']" in caplog.text


@pytest.mark.parametrize("inside", ["", "/", "/part=1"])
def test_reuse_of_an_output_that_is_overwritten_is_refused(spark, job, tmp_path, caplog, inside):
    assert job("first", FIRST) == 0
    by_another_name = f"file:{tmp_path}/first{inside}"
    assert job("first", SECOND, "--reuse", by_another_name, "--overwrite") == 2
    assert "which would remove the vectors before they are read; pass another --output" in caplog.text
    assert spark.read.parquet(str(tmp_path / "first")).count() == len(FIRST)


def test_vectors_are_reused_from_an_appended_output_and_beside_an_overwritten_one(spark, job, tmp_path, capfd):
    assert job("first", FIRST) == job("first2", FIRST) == 0
    assert job("first", SECOND, "--reuse", str(tmp_path / "first"), "--append") == 0
    assert spark.read.parquet(str(tmp_path / "first")).count() == len(FIRST) + len(SECOND)
    capfd.readouterr()
    assert job("first", SECOND, "--reuse", str(tmp_path / "first2"), "--overwrite") == 0
    assert "texts reused 3" in capfd.readouterr().out


@pytest.mark.parametrize(("owner", "code"), [("this encoder", 0), ("another encoder", 1)])
def test_a_table_without_column_metadata_names_its_encoder_in_its_properties(spark, job, tmp_path, caplog, owner, code):
    assert job("first", FIRST) == 0
    table = spark.read.parquet(str(tmp_path / "first"))
    fingerprint = table.schema["embedding"].metadata["bert_spark.fingerprint"]
    name, marked = {"this encoder": ("own", fingerprint), "another encoder": ("other", "0" * 64)}[owner]
    # Iceberg stores no column metadata
    plain = table.withColumn("embedding", F.col("embedding").alias("embedding", metadata={"other": "value"}))
    plain.write.mode("overwrite").saveAsTable(name)
    spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('bert_spark.fingerprint' = '{marked}')")
    assert spark.table(name).schema["embedding"].metadata == {"other": "value"}
    as_table = ["--output-format", "table", "--output", f"{name}_second", "--overwrite"]
    assert job("second", SECOND, "--reuse", name, *as_table) == code
    assert ("holds vectors of 000000000000, this run makes" in caplog.text) == (code == 1)
