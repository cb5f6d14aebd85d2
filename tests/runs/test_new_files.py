"""Files that a stream has not read: found by name, and compared with the columns that the first run saw."""

import gzip
import os

import pytest

from bert_spark.runs import incremental
from tests.support.nightly_runs import keys_of_files


@pytest.mark.parametrize(
    ("columns", "difference"),
    [
        ({"lang": "en"}, "new column 'lang' (string)"),
        ({"key": 1.5}, None),  # a number reads as text
        ({"text": {"a": 1}}, None),
    ],
)
def test_a_new_column_is_named_and_no_row_is_lost(stream, columns, difference, caplog):
    assert stream.score() == 0
    stream.write_file("c", 3, **columns)
    assert stream.score() == (1 if difference else 0)
    if difference:
        assert difference in caplog.text
        stream.write_file("c", 3)
        assert stream.score() == 0
        assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)


def test_a_new_column_is_named_in_a_file_with_an_old_date(stream, caplog):
    """A file may be copied from an old archive together with its date."""
    assert stream.score() == 0
    stream.write_file("c", 3, lang="en")
    os.utime(stream.nightly.input / "c.json", (1e9, 1e9))
    assert stream.score() == 1
    assert "new column 'lang' (string)" in caplog.text
    stream.write_file("c", 3)
    os.utime(stream.nightly.input / "c.json", (1e9, 1e9))
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)


def test_a_new_column_of_a_file_that_arrives_after_the_check_is_reported(stream, monkeypatch, capfd):
    """It arrives between the check of the columns and the stream's own listing of files."""
    assert stream.score() == 0
    stage_micro_batches = incremental._stage_micro_batches

    def write_file_and_stage(*args):
        stream.write_file("c", 3, lang="en")
        stage_micro_batches(*args)

    monkeypatch.setattr(incremental, "_stage_micro_batches", write_file_and_stage)
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, c=3)
    assert stream.nightly.records(status="published")[-1]["columns_dropped"] == ["new column 'lang' (string)"]
    assert "new column 'lang' (string): not in the rows" in capfd.readouterr().out


def test_special_characters_in_file_names_are_not_patterns(stream):
    stream.write_file("a {b,c}[1]*#%20", 3)
    assert stream.score() == 0
    stream.write_file("d [2]?", 2)
    stream.write_file("e [2]", 2)
    assert stream.score() == 0
    first, second = stream.nightly.records(status="published")
    assert (first["rows_in"], second["rows_in"]) == (12, 4)
    assert "rows_in_recounted" not in first | second


def test_folder_columns_have_the_type_that_the_first_run_saw(stream, caplog):
    """A folder name that looks like a number is text if the first run saw text."""
    for folder in ("lang=en", "lang=7"):
        (stream.nightly.input / folder).mkdir()
    for name in ("a", "b"):
        (stream.nightly.input / f"{name}.json").rename(stream.nightly.input / f"lang=en/{name}.json")
    assert stream.score() == 0
    stream.write_file("lang=7/c", 3)
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, **{"lang=7/c": 3})


def test_a_changed_type_is_named(stream, caplog):
    for name in "ab":
        stream.write_file(name, 4, likes=1)
    assert stream.score() == 0
    stream.write_file("c", 3, likes="many")
    assert stream.score() == 1
    assert "column 'likes' is string, was bigint" in caplog.text


def test_csv_files_with_other_columns_are_refused_by_name(nightly, caplog):
    nightly.input.mkdir()
    (nightly.input / "a.csv").write_text("key,text\n1,hi\n2,so\n")
    base = ["--format", "csv", "--incremental", "--checkpoint", nightly.folder / "seen"]
    assert nightly.score(*base) == 0
    (nightly.input / "b.csv").write_text("key,text,lang\n3,hi,en\n")
    assert nightly.score(*base) == 1
    assert "(b.csv) have other columns than the first run saw: new column 'lang' (string)" in caplog.text
    (nightly.input / "b.csv").write_text("key,text\n3,hi\n")
    (nightly.input / "c.csv").write_text("key,text,lang\n4,hi,en\n")
    assert nightly.score(*base) == 1
    assert "such as 'c.csv', have other columns than 'b.csv'" in caplog.text
    (nightly.input / "c.csv").write_text("key,text\n4,hi\n")
    assert nightly.score(*base) == 0
    assert nightly.keys() == ["1", "2", "3", "4"]


def test_an_input_of_one_file_is_refused(nightly, caplog):
    """A Spark stream reads folders."""
    nightly.input = nightly.folder / "a.csv"
    nightly.input.write_text("key,text\n1,hi\n2,so\n")
    assert nightly.score("--incremental", "--checkpoint", nightly.folder / "seen") == 2
    assert "a.csv' is one file" in caplog.text
    nightly.input = nightly.folder / "*.csv"
    assert nightly.score("--incremental", "--checkpoint", nightly.folder / "seen") == 0
    assert nightly.keys() == ["1", "2"]


def test_schema_is_applied_and_a_wrong_one_refused(stream, caplog):
    assert stream.score("--schema", "key STRING, text WRONG") == 2
    assert "is not a list of columns" in caplog.text
    assert stream.score("--schema", "key STRING, text STRING, lang STRING") == 0
    stream.write_file("c", 3, lang="en")
    assert stream.score() == 0


def test_a_pattern_over_folders_is_read_again_when_files_arrive(stream):
    """Below a pattern, Spark does not read folder names as columns."""
    pattern = "day=*"
    for name in "ab":
        (stream.nightly.input / f"day={name}").mkdir()
        (stream.nightly.input / f"{name}.json").rename(stream.nightly.input / f"day={name}/{name}.json")
    stream.nightly.input = stream.nightly.input / pattern
    assert stream.score() == 0
    stream.nightly.input = stream.nightly.folder / "tweets"
    stream.write_file("day=a/c", 3)
    stream.nightly.input = stream.nightly.input / pattern
    assert stream.score() == 0
    assert stream.nightly.keys() == keys_of_files(a=4, b=5, **{"day=a/c": 3})


def test_missing_struct_fields_are_accepted_and_new_ones_refused(stream, caplog):
    user = {"id": 1, "name": "n", "tags": [{"at": 1, "of": "x"}]}
    for name in "ab":
        stream.write_file(name, 4, user=user)
    assert stream.score() == 0
    stream.write_file("c", 3, user={"id": 2, "name": None, "tags": [{"at": 1}]})
    assert stream.score() == 0
    stream.write_file("d", 3, user=user | {"mail": "x"})
    assert stream.score() == 1
    assert "column 'user' is struct<id:bigint,mail:string" in caplog.text


def test_json_is_parsed_into_the_types_of_schema(spark, stream, caplog):
    for name in "ab":
        stream.write_file(name, 4, likes=1, at="2026-11-24T10:00:00")
    assert stream.score("--schema", "key STRING, txt STRING") == 1
    assert "column 'text' not found" in caplog.text
    schema = ["--schema", "key STRING, text STRING, likes INT, at TIMESTAMP"]  # the refused schema was not pinned
    assert stream.score(*schema) == 0
    stream.write_file("c", 3, likes=2, at="2026-11-24T10:00:00")
    assert stream.score(*schema) == 0
    types = dict(spark.read.parquet(str(stream.nightly.output)).dtypes)
    assert (types["likes"], types["at"]) == ("int", "timestamp")
    stream.write_file("d", 3, lang="en")
    assert stream.score(*schema) == 1
    assert "other columns than --schema says: new column 'lang' (string)" in caplog.text


def test_schema_of_csv_must_be_strings(nightly, caplog):
    nightly.input.mkdir()
    (nightly.input / "a.csv").write_text("key,text\n1,hi\n")
    base = ["--format", "csv", "--incremental", "--checkpoint", nightly.folder / "seen"]
    assert nightly.score(*base, "--schema", "key INT, text STRING") == 2
    assert "column key must be STRING" in caplog.text
    assert nightly.score(*base, "--schema", "key STRING, text STRING") == 0


def test_schema_names_the_lines_of_text_files(nightly):
    nightly.input.mkdir()
    (nightly.input / "a.txt").write_text("hi\nso\n")
    base = ["--format", "text", "--incremental", "--checkpoint", nightly.folder / "seen"]
    assert nightly.score(*base, "--schema", "text STRING") == 0
    (record,) = nightly.records(status="published")
    assert (record["rows_in"], record["rows_out"]) == (2, 2)


def test_a_pattern_without_matching_files_is_nothing_to_do(stream):
    folder = stream.nightly.input
    stream.nightly.input = folder / "*.json"
    assert stream.score() == 0
    for name in "ab":
        (folder / f"{name}.json").unlink()
    assert stream.score() == 0


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("c.json", b"[]", 0), ("c.json.gz", gzip.compress(b""), 0), ("c.json", b'{"key": "c"}\n' * 3, 4)],
    ids=["array", "gz", "no texts"],
)
def test_new_files_without_records_are_accepted_and_without_texts_refused(stream, name, content, code):
    """A file of records without a text exceeds max_missing_share."""
    assert stream.score() == 0
    (stream.nightly.input / name).write_bytes(content)
    assert stream.score() == code
    assert stream.nightly.keys() == keys_of_files(a=4, b=5)


def test_unreadable_files_are_refused_before_any_work(spark, nightly, caplog):
    nightly.write_day("a", 3)
    base = ["--format", "parquet", "--incremental", "--checkpoint", nightly.folder / "seen"]
    assert nightly.score(*base) == 0
    (nightly.input / "of=a" / "b.parquet").write_bytes(b"PAR1 cut")
    assert nightly.score(*base) == 1
    assert "can't be read, or their columns don't agree" in caplog.text
    (nightly.input / "of=a" / "b.parquet").unlink()
    assert nightly.score(*base) == 0


def test_text_files_in_folders_are_counted_again(nightly):
    (nightly.input / "day=1").mkdir(parents=True)
    (nightly.input / "day=1" / "a.txt").write_text("hi\nso\n")
    assert nightly.score("--format", "text", "--incremental", "--checkpoint", nightly.folder / "seen") == 0
    (record,) = nightly.records(status="published")
    assert (record["rows_in"], record["rows_out"], "rows_in_recounted" in record) == (2, 2, False)
