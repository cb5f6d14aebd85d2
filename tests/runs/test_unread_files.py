"""Files that a stream has not read: told by their names, held against the columns that the first run saw."""

import gzip
import os

import pytest

from bert_spark.runs import incremental
from tests.support.nightly_runs import keys


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


def test_a_given_schema_is_taken_and_a_wrong_one_refused(stream, caplog):
    assert stream.score("--schema", "key STRING, text WRONG") == 2
    assert "is no list of columns" in caplog.text
    assert stream.score("--schema", "key STRING, text STRING, lang STRING") == 0
    stream.arrive("c", 3, lang="en")
    assert stream.score() == 0


def test_a_pattern_over_folders_goes_on_every_night(stream):
    """Of a pattern Spark makes no columns of folders."""
    pattern = "day=*"
    for name in "ab":
        (stream.nights.input / f"day={name}").mkdir()
        (stream.nights.input / f"{name}.json").rename(stream.nights.input / f"day={name}/{name}.json")
    stream.nights.input = stream.nights.input / pattern
    assert stream.score() == 0
    stream.nights.input = stream.nights.folder / "tweets"
    stream.arrive("day=a/c", 3)
    stream.nights.input = stream.nights.input / pattern
    assert stream.score() == 0
    assert stream.nights.keys() == keys(a=4, b=5, **{"day=a/c": 3})


def test_a_night_without_some_fields_of_a_struct_is_no_change(stream, caplog):
    user = {"id": 1, "name": "n", "tags": [{"at": 1, "of": "x"}]}
    for name in "ab":
        stream.arrive(name, 4, user=user)
    assert stream.score() == 0
    stream.arrive("c", 3, user={"id": 2, "name": None, "tags": [{"at": 1}]})
    assert stream.score() == 0
    stream.arrive("d", 3, user=user | {"mail": "x"})
    assert stream.score() == 1
    assert "column 'user' is struct<id:bigint,mail:string" in caplog.text


def test_types_that_a_schema_gives_are_those_that_json_is_parsed_into(spark, stream, caplog):
    for name in "ab":
        stream.arrive(name, 4, likes=1, at="2026-11-24T10:00:00")
    assert stream.score("--schema", "key STRING, txt STRING") == 1
    assert "column 'text' not found" in caplog.text
    given = ["--schema", "key STRING, text STRING, likes INT, at TIMESTAMP"]  # what was refused was not pinned
    assert stream.score(*given) == 0
    stream.arrive("c", 3, likes=2, at="2026-11-24T10:00:00")
    assert stream.score(*given) == 0
    types = dict(spark.read.parquet(str(stream.nights.output)).dtypes)
    assert (types["likes"], types["at"]) == ("int", "timestamp")
    stream.arrive("d", 3, lang="en")
    assert stream.score(*given) == 1
    assert "other columns than --schema says: new column 'lang' (string)" in caplog.text


def test_a_schema_of_csv_is_of_strings(nights, caplog):
    nights.input.mkdir()
    (nights.input / "a.csv").write_text("key,text\n1,hi\n")
    base = ["--format", "csv", "--incremental", "--checkpoint", nights.folder / "seen"]
    assert nights.score(*base, "--schema", "key INT, text STRING") == 2
    assert "key is to be STRING" in caplog.text
    assert nights.score(*base, "--schema", "key STRING, text STRING") == 0


def test_a_schema_names_the_lines_of_text_files(nights):
    nights.input.mkdir()
    (nights.input / "a.txt").write_text("hi\nso\n")
    base = ["--format", "text", "--incremental", "--checkpoint", nights.folder / "seen"]
    assert nights.score(*base, "--schema", "text STRING") == 0
    (record,) = nights.records(status="published")
    assert (record["rows_in"], record["rows_out"]) == (2, 2)


def test_a_pattern_that_nothing_fits_is_nothing_to_do(stream):
    folder = stream.nights.input
    stream.nights.input = folder / "*.json"
    assert stream.score() == 0
    for name in "ab":
        (folder / f"{name}.json").unlink()
    assert stream.score() == 0


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("c.json", b"[]", 0), ("c.json.gz", gzip.compress(b""), 0), ("c.json", b'{"key": "c"}\n' * 3, 4)],
    ids=["array", "gz", "no texts"],
)
def test_new_files_without_a_record_or_a_text_are_read(stream, name, content, code):
    """Without texts they meet the limits."""
    assert stream.score() == 0
    (stream.nights.input / name).write_bytes(content)
    assert stream.score() == code
    assert stream.nights.keys() == keys(a=4, b=5)


def test_files_that_spark_can_not_read_are_named_before_any_work(spark, nights, caplog):
    nights.arrive("a", 3)
    base = ["--format", "parquet", "--incremental", "--checkpoint", nights.folder / "seen"]
    assert nights.score(*base) == 0
    (nights.input / "of=a" / "b.parquet").write_bytes(b"PAR1 cut")
    assert nights.score(*base) == 1
    assert "can't be read, or don't agree on their columns" in caplog.text
    (nights.input / "of=a" / "b.parquet").unlink()
    assert nights.score(*base) == 0


def test_text_files_in_folders_are_counted_again(nights):
    (nights.input / "day=1").mkdir(parents=True)
    (nights.input / "day=1" / "a.txt").write_text("hi\nso\n")
    assert nights.score("--format", "text", "--incremental", "--checkpoint", nights.folder / "seen") == 0
    (record,) = nights.records(status="published")
    assert (record["rows_in"], record["rows_out"], "rows_in_recounted" in record) == (2, 2, False)
