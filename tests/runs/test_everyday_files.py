"""Incremental runs read everyday csv and json files as plain runs do."""

import json

import pytest

OPTIONS = ["--incremental", "--checkpoint"]


@pytest.fixture
def growing(nightly):
    """Return a function that writes one file into the input and runs the job; it returns the exit code."""
    nightly.input.mkdir()

    def run(name, content, *options):
        (nightly.input / name).write_text(content)
        return nightly.score("--format", name.rpartition(".")[2], *OPTIONS, nightly.folder / "seen", *options)

    return run


def published(nightly):
    """Return key -> (text, error) of the output."""
    return {row.key: (row.text, row.error) for row in nightly.spark.read.parquet(str(nightly.output)).collect()}


def test_columns_without_a_name_and_doubled_ones_are_read_by_a_stream(nightly, growing, caplog):
    assert growing("a.csv", ",key,text,text\n0,a,hi,x\n1,b,so,y\n") == 0
    assert growing("b.csv", ",key,text,text\n0,c,hello,z\n") == 0
    assert published(nightly) == {"a": ("hi", None), "b": ("so", None), "c": ("hello", None)}
    assert nightly.spark.read.parquet(str(nightly.output)).columns[:4] == ["_c0", "key", "text", "text_2"]
    assert growing("c.csv", ",text,key,text\n0,bye,d,z\n") == 1
    assert "their header must be ['_c0', 'key', 'text', 'text_2'], in this order. Nothing was read" in caplog.text
    assert growing("c.csv", ",key,text,text\n0,d,bye,z\n") == 0
    assert sorted(published(nightly)) == ["a", "b", "c", "d"]


def test_files_without_a_header_and_with_words_for_missing_texts_are_read_by_a_stream(nightly, growing):
    options = ["--columns", "key,text", "--null-value", "NA", "--null-value", "\\N", "--max-missing-share", "1"]
    assert growing("a.csv", 'a,hi\nb,NA\nc,"she said \\"hi\\" so"\n', *options) == 0
    assert growing("b.csv", "d,\\N\ne,NaN\n", *options) == 0
    found = published(nightly)
    assert found["c"] == ('she said "hi" so', None)
    assert {key for key, (text, error) in found.items() if text is None and error == "missing text"} == {"b", "d"}


def test_glued_records_are_malformed_in_a_stream_and_quotes_can_be_left_alone(nightly, growing, capfd):
    lines = '"Breaking: rain\ta\nso happy\tb\nlast words"\tc\nbye\td\n'
    limits = ["--delimiter", "\\t", "--max-error-share", "1"]
    assert growing("a.csv", f"text\tkey\n{lines}", *limits) == 0
    (record,) = nightly.records(status="published")
    assert (record["rows_in"], record["rows_malformed"], record["rows_glued"]) == (2, 1, 1)
    warning = "1 malformed records of several lines: if quotes are part of the texts, set --quote ''"
    assert warning in capfd.readouterr().out
    assert growing("b.csv", f"text\tkey\n{lines}", *limits, "--quote", "") == 0
    assert published(nightly)["c"] == ('last words"', None)


def test_pages_with_nested_texts_are_read_by_a_stream(nightly, growing):
    tweets = [
        {"key": "a", "text": "so hap", "extended_tweet": {"full_text": "so happy today"}},
        {"key": "b", "text": "hi"},
    ]
    options = ["--records", "data", "--text-column", "extended_tweet.full_text,text", "--max-error-share", "1"]
    assert growing("a.json", json.dumps({"data": tweets}), *options) == 0
    assert growing("b.json", json.dumps({"data": [{"key": "c", "text": "bye"}]}) + "\nnot json\n", *options) == 0
    rows = nightly.spark.read.parquet(str(nightly.output)).collect()
    found = {row.key: (row.text, row.extended_tweet and row.extended_tweet.full_text, row.error) for row in rows}
    assert found == {
        "a": ("so hap", "so happy today", None),
        "b": ("hi", None, None),
        "c": ("bye", None, None),
        None: (None, "not json", "malformed row"),
    }
    assert [record["rows_in"] for record in nightly.records(status="published")] == [2, 2]
