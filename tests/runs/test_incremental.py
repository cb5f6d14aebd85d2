"""Incremental runs publish what is new, once, in bounded micro-batches. Other columns: see test_new_files.py."""

import json
import shutil

import pyspark
import pytest

from bert_spark import load_artefact
from bert_spark.runs import incremental, publish
from bert_spark.runs.new_files import NewFiles
from bert_spark.runs.stage import FILE_COLUMN
from bert_spark.runs.staged_files import compare_with_input
from bert_spark.runs.stream_source import StreamSource
from bert_spark.tables import output_partitions
from bert_spark.tables.config import InputConfig
from jobs import embed
from tests.support.nightly_runs import JsonStream, keys_of_files, texts
from tests.support.row_counter import rows_through_python

counted = pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 shows no counts of a stream's micro-batches")


@counted
def test_only_new_rows_go_through_bert_and_each_key_is_published_once(spark, stream):
    with rows_through_python(spark) as rows:
        assert stream.score() == 0
    assert sorted(rows) == [4, 5]
    stream.write_file("c", 3)
    with rows_through_python(spark) as rows:
        assert stream.score() == 0
    assert rows == [3]
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)
    assert sorted(stream.nightly.rows()) == ["0", "1", "2"]
    first, second = stream.nightly.records(status="published")
    assert (first["rows_in"], first["rows_out"], first["partition"]) == (9, 9, "batch=0 to batch=1")
    assert (second["rows_in"], second["rows_out"], second["partition"]) == (3, 3, "batch=2")


def test_nothing_new_is_nothing_to_do(stream, capfd):
    assert stream.score() == 0
    before = stream.nightly.files()
    capfd.readouterr()
    assert stream.score() == 0
    assert "score: nothing to do" in capfd.readouterr().out
    assert stream.score("--require-input") == 5
    assert stream.nightly.files() == before


def test_incremental_labels_equal_those_of_one_run_over_all_files(spark, stream):
    assert stream.score() == 0
    stream.nightly.output = stream.nightly.folder / "at_once"
    assert stream.nightly.score("--format", "json", "--run-date", "2026-11-24") == 0
    at_once = stream.nightly.rows()["2026-11-24"]
    stream.nightly.output = stream.nightly.folder / "scores"
    assert sorted(row for rows in stream.nightly.rows().values() for row in rows) == at_once


def test_json_records_with_missing_text_or_malformed_lines_keep_their_rows(stream):
    (stream.nightly.input / "a.json").write_text('{"key": "a-0", "text": "hi"}\nnot json\n{"key": "a-2"}\n')
    assert stream.score("--max-error-share", "1", "--max-missing-share", "1") == 0
    (record,) = stream.nightly.records(status="published")
    assert (record["rows_in"], record["rows_out"], record["rows_malformed"], record["rows_missing"]) == (8, 8, 1, 1)


@counted
def test_micro_batches_are_bounded_by_bytes(spark, stream, caplog):
    """A micro-batch takes at least one file, and a second one if it still fits."""
    stream.write_file("c", 4)
    size = sum((stream.nightly.input / f"{name}.json").stat().st_size for name in "abc")
    stream.base = [option for option in stream.base if option not in ("--max-files", "1")]
    with rows_through_python(spark) as rows:
        assert stream.score("--max-bytes", size // 3) == 0
    assert sorted(rows) == [4, 4, 5]
    stream.write_file("d", 1)
    stream.write_file("e", 2)
    with rows_through_python(spark) as rows:
        assert stream.score("--max-bytes", size) == 0
    assert rows == [3]


def test_refused_rows_stop_later_runs_until_the_limit_is_raised(spark, stream, caplog):
    assert stream.score() == 0
    before = stream.nightly.files()
    stream.write_file("c", 4, missing=2)
    assert stream.score() == 4
    stream.write_file("d", 5)
    with rows_through_python(spark) as rows:
        assert stream.score() == 4
    assert rows == []
    assert stream.nightly.files() == before
    assert "Until then no new input is read" in caplog.text
    assert stream.score("--max-missing-share", "0.5") == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=4, d=5)


def test_skip_refused_leaves_refused_rows_out(stream):
    assert stream.score() == 0
    stream.write_file("c", 4, missing=2)
    assert stream.score() == 4
    stream.write_file("d", 5)
    assert stream.score("--skip-refused") == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, d=5)
    assert len(stream.nightly.records(status="skipped")) == 1


def test_a_checkpoint_belongs_to_one_input_and_its_output_to_one_kind_of_run(stream, caplog, tmp_path):
    assert stream.score() == 0
    assert stream.nightly.score("--format", "json", "--run-date", "2026-11-24") == 1
    assert "has no column 'run_date'" in caplog.text
    stream.nightly.input = tmp_path / "other"
    stream.nightly.input.mkdir()
    stream.write_file("z", 2)
    assert stream.score() == 2
    assert "Pass a --checkpoint of its own for each input and output" in caplog.text


def test_a_checkpoint_and_an_output_belong_together(stream, caplog):
    """Another checkpoint numbers its batches from 0 too; another output would lack what was read before."""
    nightly = stream.nightly
    assert stream.score() == 0
    before = nightly.files()
    assert stream.score("--checkpoint", nightly.folder / "a new one") == 2
    assert "own batches, numbered from 0, would replace them" in caplog.text
    nightly.output = nightly.folder / "elsewhere"
    assert stream.score() == 2
    assert f"belongs to output 'file:{nightly.folder}/scores'" in caplog.text
    nightly.output = nightly.folder / "scores"
    assert nightly.files() == before


def test_fail_on_malformed_is_refused_because_rows_are_read_once(stream, caplog):
    assert stream.score("--fail-on-malformed") == 2
    assert "set --max-error-share 0" in caplog.text


@counted
def test_new_rows_of_a_table_are_read_once(spark, nightly):
    spark.sql("DROP TABLE IF EXISTS arriving")
    frame = spark.createDataFrame([(k, t) for k, _, t in texts("a", 4)], "key string, text string")
    frame.coalesce(1).write.saveAsTable("arriving")
    nightly.input = "arriving"
    base = ["--incremental", "--checkpoint", nightly.folder / "seen"]
    assert nightly.score(*base) == 0
    more = spark.createDataFrame([(k, t) for k, _, t in texts("b", 3)], "key string, text string")
    more.coalesce(1).write.mode("append").saveAsTable("arriving")
    with rows_through_python(spark) as rows:
        assert nightly.score(*base) == 0
    assert rows == [3]
    assert nightly.keys() == keys_of_files(a=4, b=3)
    spark.sql("DROP TABLE arriving")


def staged_rows(spark, table, *missing_files):
    """Return rows like those that a stream over a table has staged, and rows of files that the table has no more."""
    rows = [(row[0],) for row in spark.table(table).select("_metadata.file_path").collect()]
    return spark.createDataFrame([*rows, *((file,) for file in missing_files)], f"{FILE_COLUMN} string")


@pytest.mark.parametrize("missing_files", [(), ("file:/rewritten.parquet",)])
def test_a_table_whose_files_were_rewritten_is_counted_by_its_staged_rows(spark, missing_files):
    spark.sql("DROP TABLE IF EXISTS rewritten")
    spark.createDataFrame([("hi",), ("so",)], "text string").coalesce(1).write.saveAsTable("rewritten")
    source = StreamSource(
        InputConfig(path="rewritten", format="table"), spark.table("rewritten").schema, NewFiles(None, None), {}
    )
    files = compare_with_input(spark, source, staged_rows(spark, "rewritten", *missing_files))
    assert (files.held, files.gone) == ([], list(missing_files))
    counts = files.input_counts()
    assert counts["rows_in"] == 2 + len(missing_files)
    assert counts.get("rows_in_recounted", True) == (not missing_files)


def grow_while_read(monkeypatch, stream, name, rows):
    """Add rows to a file after the next run has staged it, and before that run counts its records."""
    path = stream.nightly.input / f"{name}.json"

    def grow_then_compare(*args):
        monkeypatch.setattr(incremental, "compare_with_input", compare_with_input)
        more = [json.dumps({"key": f"{name}-{n}", "text": f"added {n}"}) for n in rows]
        path.write_text("\n".join([path.read_text().rstrip("\n"), *more, ""]))
        return compare_with_input(*args)

    monkeypatch.setattr(incremental, "compare_with_input", grow_then_compare)


def test_a_file_that_grows_while_it_is_read_is_held_back_and_read_again(stream, monkeypatch, capfd):
    grow_while_read(monkeypatch, stream, "a", range(4, 7))
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(b=5)
    assert "1 files changed while they were read (a.json)" in capfd.readouterr().out
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=7, b=5)
    first, second = stream.nightly.records(status="published")
    assert (first["rows_in"], first["rows_out"]) == (5, 5)
    assert (second["rows_in"], second["rows_out"], second["partition"]) == (7, 7, "batch=1000000000")
    assert stream.score() == 0
    assert "nothing to do" in capfd.readouterr().out


def test_a_file_that_keeps_growing_stops_no_other_file(stream, monkeypatch):
    grow_while_read(monkeypatch, stream, "a", [4])
    assert stream.score() == 0
    stream.write_file("c", 3)
    grow_while_read(monkeypatch, stream, "a", [5])
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(b=5, c=3)
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=6, b=5, c=3)
    assert sorted(stream.nightly.rows()) == ["1", "1000000001", "2"]


def test_a_run_whose_only_file_is_held_back_creates_no_output(nightly, monkeypatch):
    stream = JsonStream(nightly)
    stream.write_file("a", 4)
    grow_while_read(monkeypatch, stream, "a", [4])
    assert stream.score() == 0
    assert not nightly.output.exists()
    assert stream.score() == 0
    assert nightly.keys() == keys_of_files(a=5)


def test_staged_rows_that_are_not_those_of_their_files_are_read_again(stream):
    """Versions before this one staged them. Their refusal was final: no limit would have published them."""
    stream.write_file("c", 4, missing=4)
    assert stream.score() == 4
    (path,) = (stream.nightly.folder / "_staging" / "scores").glob("new-*/state.json")
    state = json.loads(path.read_text())
    for name in ("held", "files"):
        del state[name]
    state["record"]["rows_in"] += 1
    path.write_text(json.dumps(state))
    stream.write_file("b", 6)  # it has grown meanwhile
    assert stream.score("--max-missing-share", "0.5") == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=6, c=4)


def test_a_file_that_grew_after_it_was_published_is_named(stream, caplog):
    assert stream.score() == 0
    stream.write_file("a", 6)
    assert stream.score() == 0
    assert "1 files have changed since they were read (a.json)" in caplog.text
    assert stream.nightly.keys() == keys_of_files(a=4, b=5)


def test_skip_refused_leaves_out_only_the_files_outside_the_limits(stream, capfd):
    stream.write_file("c", 4, missing=3)
    stream.write_file("d", 5)
    assert stream.score() == 4
    assert stream.score("--skip-refused") == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, d=5)
    assert "1 files are left out permanently (c.json)" in capfd.readouterr().out
    (published,) = stream.nightly.records(status="published")
    assert (published["rows_in"], published["rows_out"], published["rows_missing"]) == (14, 14, 0)
    (skipped,) = stream.nightly.records(status="skipped")
    assert [file.rpartition("/")[2] for file in skipped["files_skipped"]] == ["c.json"]


def test_a_removed_output_or_spark_checkpoint_is_refused(stream, caplog):
    assert stream.score() == 0
    before = stream.nightly.files()
    shutil.move(stream.nightly.folder / "seen" / "spark", stream.nightly.folder / "aside")
    assert stream.score() == 2
    assert "every row would be in" in caplog.text
    assert stream.nightly.files() == before
    shutil.move(stream.nightly.folder / "aside", stream.nightly.folder / "seen" / "spark")
    stream.nightly.output.rename(stream.nightly.folder / "scores_aside")
    stream.write_file("c", 3)
    assert stream.score() == 2
    assert "does not exist: rows read before would be missing" in caplog.text
    (stream.nightly.folder / "scores_aside").rename(stream.nightly.output)
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)


def test_a_data_column_named_batch_is_refused(stream, caplog):
    for name in "ab":
        stream.write_file(name, 4, batch="morning")
    assert stream.score() == 1
    assert "'batch'" in caplog.text
    assert not stream.nightly.output.exists()


def test_an_incremental_run_reads_each_row_of_another_runs_output_once(spark, stream, artefact, monkeypatch):
    """The other run dies after it has replaced its last partition. It does not write those rows again."""
    vectors = stream.nightly.folder / "vectors"
    model = load_artefact(artefact).config.model
    base = [
        "--input",
        stream.nightly.input,
        "--output",
        vectors,
        "--model",
        model,
        "--checkpoint",
        stream.nightly.folder / "e",
    ]

    def run_embed():
        return embed.main([*map(str, base), "--format", "json", "--incremental", "--max-files", "1"])

    def run_score():
        base = ["--input", str(vectors), "--format", "parquet", "--embedding-column", "embedding"]
        return stream.nightly.score(*base, "--incremental", "--checkpoint", stream.nightly.folder / "seen")

    def die_after_last_partition(*args):
        count = output_partitions.replace_partition(*args)
        if args[-1] == "batch=1":
            raise ZeroDivisionError
        return count

    with monkeypatch.context() as patch:
        patch.setattr(publish, "replace_partition", die_after_last_partition)
        with pytest.raises(ZeroDivisionError):
            run_embed()
    assert run_score() == 0
    assert run_embed() == 0
    stream.write_file("c", 3)
    assert run_embed() == 0
    assert run_score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)
    assert sorted(stream.nightly.rows()) == ["0", "1"]
