"""Incremental runs: what is new, once, in bounded micro-batches; a later file with other columns is refused."""

import json
import os
from types import SimpleNamespace

import pyspark
import pytest
from nightly import texts
from spark_counts import rows_through_python

from bert_spark import incremental
from bert_spark.arrivals import FILE, Arrivals
from bert_spark.jobconf import InputConfig
from bert_spark.newfiles import Unread

pytest_plugins = ["nightly"]
counted = pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 shows no counts of a stream's micro-batches")


class Stream:
    """An input folder of json files that grows, and a job that reads what is new in it."""

    def __init__(self, nights):
        self.nights = nights
        self.base = ["--format", "json", "--incremental", "--checkpoint", nights.folder / "seen", "--max-files", "1"]
        nights.input.mkdir()

    def arrive(self, name, rows, missing=0, **more):
        lines = [
            {"key": key, "text": None if n < missing else text, **more}
            for n, (key, _, text) in enumerate(texts(name, rows))
        ]
        (self.nights.input / f"{name}.json").write_text("\n".join([*map(json.dumps, lines), ""]))

    def score(self, *options):
        return self.nights.score(*self.base, *options)


@pytest.fixture
def stream(nights):
    """Return a stream with two files: 4 and 5 rows."""
    made = Stream(nights)
    made.arrive("a", 4)
    made.arrive("b", 5)
    return made


def keys(**files):
    return sorted(key for name, rows in files.items() for key, _, _ in texts(name, rows))


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


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"lang": "en"}, "new column 'lang' (string)"),
        ({"key": 1.5}, None),  # a number reads as text
        ({"text": {"a": 1}}, None),
    ],
)
def test_a_new_column_is_named_and_nothing_is_lost(stream, more, said, caplog):
    assert stream.score() == 0
    stream.arrive("c", 3, **more)
    assert stream.score() == (1 if said else 0)
    if said:
        assert said in caplog.text
        stream.arrive("c", 3)
        assert stream.score() == 0
        assert stream.nights.keys() == keys(a=4, b=5, c=3)


def test_a_new_column_is_named_however_old_the_file_says_it_is(stream, caplog):
    """A file copied with its date, from an archive of years ago."""
    assert stream.score() == 0
    stream.arrive("c", 3, lang="en")
    os.utime(stream.nights.input / "c.json", (1e9, 1e9))
    assert stream.score() == 1
    assert "new column 'lang' (string)" in caplog.text
    stream.arrive("c", 3)
    os.utime(stream.nights.input / "c.json", (1e9, 1e9))
    assert stream.score() == 0
    assert stream.nights.keys() == keys(a=4, b=5, c=3)


def test_a_column_of_a_file_that_came_after_the_look_is_told(stream, monkeypatch, capfd):
    """Between the look at the columns and the stream's own list of files."""
    assert stream.score() == 0
    begun = incremental._stage_new

    def late(*given):
        stream.arrive("c", 3, lang="en")
        begun(*given)

    monkeypatch.setattr(incremental, "_stage_new", late)
    assert stream.score() == 0
    assert stream.nights.keys() == keys(a=4, b=5, c=3)
    assert stream.nights.records(status="published")[-1]["columns_dropped"] == ["new column 'lang' (string)"]
    assert "new column 'lang' (string): not in the rows" in capfd.readouterr().out


def test_names_of_files_are_no_patterns(stream):
    stream.arrive("a {b,c}[1]*#%20", 3)
    assert stream.score() == 0
    stream.arrive("d [2]?", 2)
    stream.arrive("e [2]", 2)
    assert stream.score() == 0
    first, second = stream.nights.records(status="published")
    assert (first["rows_in"], second["rows_in"]) == (12, 4)
    assert "rows_in_recounted" not in first | second


def test_folders_of_the_input_are_columns_by_what_the_first_run_saw(stream, caplog):
    """Names of folders are text to a table that began with text; a number that is none any more is refused."""
    for folder in ("lang=en", "lang=7"):
        (stream.nights.input / folder).mkdir()
    for name in ("a", "b"):
        (stream.nights.input / f"{name}.json").rename(stream.nights.input / f"lang=en/{name}.json")
    assert stream.score() == 0
    stream.arrive("lang=7/c", 3)
    assert stream.score() == 0
    assert stream.nights.keys() == keys(a=4, b=5, **{"lang=7/c": 3})


def test_a_changed_type_is_named(stream, caplog):
    for name in "ab":
        stream.arrive(name, 4, likes=1)
    assert stream.score() == 0
    stream.arrive("c", 3, likes="many")
    assert stream.score() == 1
    assert "column 'likes' is string, was bigint" in caplog.text


def test_csv_whose_columns_differ_is_refused_by_name(nights, caplog):
    nights.input.mkdir()
    (nights.input / "a.csv").write_text("key,text\n1,hi\n2,so\n")
    base = ["--format", "csv", "--incremental", "--checkpoint", nights.folder / "seen"]
    assert nights.score(*base) == 0
    (nights.input / "b.csv").write_text("key,text,lang\n3,hi,en\n")
    assert nights.score(*base) == 1
    assert "(b.csv) have other columns than the first run saw: new column 'lang' (string)" in caplog.text
    (nights.input / "b.csv").write_text("key,text\n3,hi\n")
    (nights.input / "c.csv").write_text("key,text,lang\n4,hi,en\n")  # Spark looks at the first header only
    assert nights.score(*base) == 1
    assert "c.csv with the columns that the first run saw: its header must be ['key', 'text']" in caplog.text
    (nights.input / "c.csv").write_text("key,text\n4,hi\n")
    assert nights.score(*base) == 0
    assert nights.keys() == ["1", "2", "3", "4"]


def test_an_input_of_one_file_is_refused(nights, caplog):
    """Spark streams folders."""
    nights.input = nights.folder / "a.csv"
    nights.input.write_text("key,text\n1,hi\n2,so\n")
    assert nights.score("--incremental", "--checkpoint", nights.folder / "seen") == 2
    assert "a.csv' is one file" in caplog.text
    nights.input = nights.folder / "*.csv"
    assert nights.score("--incremental", "--checkpoint", nights.folder / "seen") == 0
    assert nights.keys() == ["1", "2"]


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


def test_a_given_schema_is_taken_and_a_wrong_one_refused(stream, caplog):
    assert stream.score("--schema", "key STRING, text WRONG") == 2
    assert "is no list of columns" in caplog.text
    assert stream.score("--schema", "key STRING, text STRING, lang STRING") == 0
    stream.arrive("c", 3, lang="en")
    assert stream.score() == 0


@pytest.mark.parametrize(("gone", "recounted"), [([], True), (["file:/rewritten.parquet"], False)])
def test_rows_of_a_table_whose_files_were_rewritten_are_counted_as_they_were_staged(spark, gone, recounted):
    spark.sql("DROP TABLE IF EXISTS rewritten")
    spark.createDataFrame([("hi",), ("so",)], "text string").coalesce(1).write.saveAsTable("rewritten")
    source = InputConfig(path="rewritten", format="table")
    arrivals = Arrivals(source, spark.table("rewritten").schema, Unread(None, None), {})
    files = [row[0] for row in spark.table("rewritten").select("_metadata.file_path").distinct().collect()]
    rows = spark.createDataFrame([(file,) for file in [*files, *gone]], f"{FILE} string")
    found = incremental._counts_in(spark, SimpleNamespace(source=source), arrivals, rows)
    assert found["rows_in"] == (2 if recounted else rows.count())
    assert found.get("rows_in_recounted", True) == recounted
