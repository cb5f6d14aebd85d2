"""Incremental runs: what is new, once, in bounded micro-batches; a later file with other columns is refused."""

import shutil
from types import SimpleNamespace

import pyspark
import pytest

from bert_spark import load_artefact
from bert_spark.runs import incremental, publish
from bert_spark.runs.stream_source import FILE_COLUMN, StreamSource
from bert_spark.runs.unread_files import UnreadFiles
from bert_spark.tables import partitions
from bert_spark.tables.config import InputConfig
from jobs import embed
from tests.support.nightly_runs import keys, texts
from tests.support.row_counter import rows_through_python

counted = pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 shows no counts of a stream's micro-batches")


@counted
def test_only_what_is_new_goes_through_bert_and_every_key_is_there_once(spark, stream):
    with rows_through_python(spark) as rows:
        assert stream.score() == 0
    assert sorted(rows) == [4, 5]
    stream.arrive("c", 3)
    with rows_through_python(spark) as rows:
        assert stream.score() == 0
    assert rows == [3]
    assert stream.nights.keys() == keys(a=4, b=5, c=3)
    assert sorted(stream.nights.rows()) == ["0", "1", "2"]
    first, second = stream.nights.records(status="published")
    assert (first["rows_in"], first["rows_out"], first["partition"]) == (9, 9, "batch=0 to batch=1")
    assert (second["rows_in"], second["rows_out"], second["partition"]) == (3, 3, "batch=2")


def test_nothing_new_is_nothing_to_do(stream, capfd):
    assert stream.score() == 0
    before = stream.nights.files()
    capfd.readouterr()
    assert stream.score() == 0
    assert "score: nothing to do" in capfd.readouterr().out
    assert stream.score("--require-input") == 5
    assert stream.nights.files() == before


def test_labels_are_those_of_a_run_over_everything_at_once(spark, stream):
    assert stream.score() == 0
    stream.nights.output = stream.nights.folder / "at_once"
    assert stream.nights.score("--format", "json", "--run-date", "2026-11-24") == 0
    at_once = stream.nights.rows()["2026-11-24"]
    stream.nights.output = stream.nights.folder / "scores"
    assert sorted(row for rows in stream.nights.rows().values() for row in rows) == at_once


def test_missing_malformed_and_late_columns_of_json_keep_their_rows(stream):
    (stream.nights.input / "a.json").write_text('{"key": "a-0", "text": "hi"}\nnot json\n{"key": "a-2"}\n')
    assert stream.score("--max-error-share", "1", "--max-missing-share", "1") == 0
    (record,) = stream.nights.records(status="published")
    assert (record["rows_in"], record["rows_out"], record["rows_malformed"], record["rows_missing"]) == (8, 8, 1, 1)


@counted
def test_micro_batches_are_bounded_by_bytes(spark, stream, caplog):
    """Each at least one file, of two that are above the bound."""
    stream.arrive("c", 4)
    size = sum((stream.nights.input / f"{name}.json").stat().st_size for name in "abc")
    stream.base = [option for option in stream.base if option not in ("--max-files", "1")]
    with rows_through_python(spark) as rows:
        assert stream.score("--max-bytes", size // 3) == 0
    assert sorted(rows) == [4, 4, 5]
    stream.arrive("d", 1)
    stream.arrive("e", 2)
    with rows_through_python(spark) as rows:
        assert stream.score("--max-bytes", size) == 0
    assert rows == [3]


def test_refused_rows_stop_later_runs_until_the_limit_is_raised_or_they_are_left_out(spark, stream, caplog):
    assert stream.score() == 0
    before = stream.nights.files()
    stream.arrive("c", 4, missing=2)
    assert stream.score() == 4
    stream.arrive("d", 5)
    with rows_through_python(spark) as rows:
        assert stream.score() == 4
    assert rows == []
    assert stream.nights.files() == before
    assert "nothing new is read before that" in caplog.text
    assert stream.score("--max-missing-share", "0.5") == 0
    assert stream.nights.keys() == keys(a=4, b=5, c=4, d=5)


def test_refused_rows_are_left_out_on_request(stream):
    assert stream.score() == 0
    stream.arrive("c", 4, missing=2)
    assert stream.score() == 4
    stream.arrive("d", 5)
    assert stream.score("--skip-refused") == 0
    assert stream.nights.keys() == keys(a=4, b=5, d=5)
    assert len(stream.nights.records(status="skipped")) == 1


def test_a_checkpoint_is_of_one_input_and_one_output_kind(stream, caplog, tmp_path):
    assert stream.score() == 0
    assert stream.nights.score("--format", "json", "--run-date", "2026-11-24") == 1
    assert "has no column 'run_date'" in caplog.text
    stream.nights.input = tmp_path / "other"
    stream.nights.input.mkdir()
    stream.arrive("z", 2)
    assert stream.score() == 2
    assert "each input, and each output, needs a --checkpoint of its own" in caplog.text


def test_a_checkpoint_and_an_output_belong_together(stream, caplog):
    """Batches of another checkpoint are numbered from 0 too; another output would lack what was read before."""
    nights = stream.nights
    assert stream.score() == 0
    before = nights.files()
    assert stream.score("--checkpoint", nights.folder / "lost and made anew") == 2
    assert "its own, numbered from 0, would replace them" in caplog.text
    nights.output = nights.folder / "elsewhere"
    assert stream.score() == 2
    assert f"is of output 'file:{nights.folder}/scores'" in caplog.text
    nights.output = nights.folder / "scores"
    assert nights.files() == before


def test_rows_are_read_once_so_that_none_can_be_looked_at_before(stream, caplog):
    assert stream.score("--fail-on-malformed") == 2
    assert "set --max-error-share 0" in caplog.text


@counted
def test_new_rows_of_a_table_are_read_once(spark, nights):
    spark.sql("DROP TABLE IF EXISTS arriving")
    frame = spark.createDataFrame([(k, t) for k, _, t in texts("a", 4)], "key string, text string")
    frame.coalesce(1).write.saveAsTable("arriving")
    nights.input = "arriving"
    base = ["--incremental", "--checkpoint", nights.folder / "seen"]
    assert nights.score(*base) == 0
    more = spark.createDataFrame([(k, t) for k, _, t in texts("b", 3)], "key string, text string")
    more.coalesce(1).write.mode("append").saveAsTable("arriving")
    with rows_through_python(spark) as rows:
        assert nights.score(*base) == 0
    assert rows == [3]
    assert nights.keys() == keys(a=4, b=3)
    spark.sql("DROP TABLE arriving")


@pytest.mark.parametrize(("gone", "recounted"), [([], True), (["file:/rewritten.parquet"], False)])
def test_rows_of_a_table_whose_files_were_rewritten_are_counted_as_they_were_staged(spark, gone, recounted):
    spark.sql("DROP TABLE IF EXISTS rewritten")
    spark.createDataFrame([("hi",), ("so",)], "text string").coalesce(1).write.saveAsTable("rewritten")
    source = InputConfig(path="rewritten", format="table")
    arrivals = StreamSource(source, spark.table("rewritten").schema, UnreadFiles(None, None), {})
    files = [row[0] for row in spark.table("rewritten").select("_metadata.file_path").distinct().collect()]
    rows = spark.createDataFrame([(file,) for file in [*files, *gone]], f"{FILE_COLUMN} string")
    found = incremental._recount_input(spark, SimpleNamespace(source=source), arrivals, rows)
    assert found["rows_in"] == (2 if recounted else rows.count())
    assert found.get("rows_in_recounted", True) == recounted


def test_what_was_read_and_what_was_published_belong_together(stream, caplog):
    """Somebody has removed one of them."""
    assert stream.score() == 0
    before = stream.nights.files()
    shutil.move(stream.nights.folder / "seen" / "spark", stream.nights.folder / "aside")
    assert stream.score() == 2
    assert "all would be in" in caplog.text
    assert stream.nights.files() == before
    shutil.move(stream.nights.folder / "aside", stream.nights.folder / "seen" / "spark")
    stream.nights.output.rename(stream.nights.folder / "scores_aside")
    stream.arrive("c", 3)
    assert stream.score() == 2
    assert "is not there: rows read before would be missing" in caplog.text
    (stream.nights.folder / "scores_aside").rename(stream.nights.output)
    assert stream.score() == 0
    assert stream.nights.keys() == keys(a=4, b=5, c=3)


def test_a_column_called_as_the_partitions_is_refused(stream, caplog):
    for name in "ab":
        stream.arrive(name, 4, batch="morning")
    assert stream.score() == 1
    assert "'batch'" in caplog.text
    assert not stream.nights.output.exists()


def test_an_incremental_run_reads_what_another_has_published_each_row_once(spark, stream, artefact, monkeypatch):
    """The first is killed after it has replaced its last partition; it does not write those rows anew."""
    vectors = stream.nights.folder / "vectors"
    model = load_artefact(artefact).config.model
    words = [
        "--input",
        stream.nights.input,
        "--output",
        vectors,
        "--model",
        model,
        "--checkpoint",
        stream.nights.folder / "e",
    ]

    def embedded():
        return embed.main([*map(str, words), "--format", "json", "--incremental", "--max-files", "1"])

    def scored():
        base = ["--input", str(vectors), "--format", "parquet", "--embedding-column", "embedding"]
        return stream.nights.score(*base, "--incremental", "--checkpoint", stream.nights.folder / "seen")

    def gone(*given):
        count = partitions.replace_partition(*given)
        if given[-1] == "batch=1":
            raise ZeroDivisionError
        return count

    with monkeypatch.context() as dying:
        dying.setattr(publish, "replace_partition", gone)
        with pytest.raises(ZeroDivisionError):
            embedded()
    assert scored() == 0
    assert embedded() == 0
    stream.arrive("c", 3)
    assert embedded() == 0
    assert scored() == 0
    assert stream.nights.keys() == keys(a=4, b=5, c=3)
    assert sorted(stream.nights.rows()) == ["0", "1"]
