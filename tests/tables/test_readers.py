"""Tables as people have them: each format, and what commonly goes wrong in csv and json files."""

import bz2
import codecs
import gzip

import pandas as pd
import pyspark
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bert_spark.errors import DataError
from bert_spark.tables.schema import MALFORMED_COLUMN
from tests.support.any_text import TEXTS, without_lone_surrogates

FEW = settings(max_examples=6, deadline=None, derandomize=True)  # each example takes Spark a second


def sorted_rows(df, *names):
    return sorted((tuple(row[name] for name in names) for row in df.collect()), key=repr)


# A lone surrogate can't be written as UTF-8.
ANY = TEXTS.map(without_lone_surrogates)
MANY = st.lists(ANY, min_size=1, max_size=9) | st.lists(ANY, min_size=20, max_size=99)
CORNERS = ["", " ", '"', '\\"', "ends in \\", "NULL", "'a', b; c", "two\nlines", "carriage\r\nreturn", "x" * 200_000]


@example(CORNERS)
@given(MANY)
@FEW
def test_csv_written_by_pandas_reads_back_exactly(load, tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(path, index=False, quoting=1)
    assert {int(row.id): row.text for row in load(path).collect()} == dict(enumerate(texts))


@example(CORNERS)
@given(MANY)
@FEW
def test_csv_written_by_spark_reads_back_exactly(spark, load, tmp_path_factory, texts):
    path = str(tmp_path_factory.mktemp("csv") / "x.csv")
    df = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
    exact = {"ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}  # else Spark's writer trims texts
    df.write.csv(path, header=True, quoteAll=True, escape='"', **exact)
    assert {int(row.id): row.text for row in load(path).collect()} == dict(enumerate(texts))


def test_missing_and_empty_cells_differ(load, tmp_path):
    (tmp_path / "x.csv").write_text('id,text\n1,\n2,""\n3, \n')
    assert sorted_rows(load(tmp_path / "x.csv"), "id", "text") == [("1", None), ("2", ""), ("3", " ")]


def test_byte_order_mark_and_crlf_are_not_data(load, tmp_path):
    (tmp_path / "x.csv").write_bytes(codecs.BOM_UTF8 + b"id,text\r\n1,hi\r\n")
    df = load(tmp_path / "x.csv", id_column="id")
    assert sorted_rows(df, "id", "text") == [("1", "hi")]


def test_malformed_records_keep_their_row_and_raw_text(load, tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,hi\n2\n3,a,b\n")
    found = sorted_rows(load(tmp_path / "x.csv"), "id", MALFORMED_COLUMN)
    assert found == [("1", None), ("2", "2"), ("3", "3,a,b")]


def test_columns_of_tsv_are_separated_by_tabs(load, tmp_path):
    (tmp_path / "x.tsv").write_text("id\ttext\n1\ta, b\n")
    assert sorted_rows(load(tmp_path / "x.tsv"), "id", "text") == [("1", "a, b")]


def test_csv_is_decoded_with_its_encoding(load, tmp_path):
    (tmp_path / "x.csv").write_bytes("id,text\n1,caf\u00e9\n".encode("latin-1"))
    assert sorted_rows(load(tmp_path / "x.csv", encoding="ISO-8859-1"), "text") == [("caf\u00e9",)]
    assert sorted_rows(load(tmp_path / "x.csv"), "text") == [("caf\ufffd",)]


NATIVE = pytest.mark.skipif(pyspark.__version__ < "4", reason="pip's Spark 3.5 has no native zStandard library")


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), pytest.param("zst", zstandard.compress, marks=NATIVE)],
)
def test_compressed_files_are_read(load, tmp_path, suffix, compress):
    (tmp_path / f"x.csv.{suffix}").write_bytes(compress(b"id,text\n1,hi\n"))
    assert sorted_rows(load(tmp_path / f"x.csv.{suffix}"), "id", "text") == [("1", "hi")]


def test_globs_and_partitioned_folders_are_read(load, tmp_path):
    for day in (1, 2):
        (tmp_path / "t" / f"day={day}").mkdir(parents=True)
        (tmp_path / "t" / f"day={day}" / "x.csv").write_text(f"id,text\n{day},hi\n")
    assert sorted_rows(load(tmp_path / "t", format="csv"), "id", "day") == [("1", "1"), ("2", "2")]
    assert sorted_rows(load(tmp_path / "t" / "*" / "*.csv"), "id", "text") == [("1", "hi"), ("2", "hi")]


def test_an_empty_csv_is_refused_and_a_header_alone_has_no_rows(load, tmp_path):
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(DataError, match=r"is empty; expected a first line with the names of the columns"):
        load(tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("id,text\n")
    assert load(tmp_path / "y.csv").collect() == []


def test_json_lines_and_json_arrays_are_read(load, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": 1, "text": "hi"}\n{"id": 2}\n')
    assert sorted_rows(load(tmp_path / "x.jsonl"), "id", "text") == [(1, "hi"), (2, None)]
    (tmp_path / "y.json").write_text('[{"id": 1, "text": "hi"},\n {"id": 2, "text": "so"}]')
    assert sorted_rows(load(tmp_path / "y.json"), "id", "text") == [(1, "hi"), (2, "so")]


def test_json_lines_and_a_json_array_in_one_input_are_refused(load, tmp_path):
    """Spark would read only the first of the lines."""
    (tmp_path / "a.json").write_text("\n [\n" + ",\n".join(f'{{"text": "t{n}"}}' for n in range(60)) + "\n]\n")
    (tmp_path / "c.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(
        DataError, match=r"a json array and files of json lines, such as '.*c.json'; read them as two inputs"
    ):
        load(tmp_path, format="json")
    (tmp_path / "c.json").write_text('[{"text": "a"},\n{"text": "b"}]\n')
    assert load(tmp_path, format="json").count() == 62


def test_a_json_array_after_blank_lines_is_read(load, tmp_path):
    (tmp_path / "x.json").write_text('\n \t\n [{"id": 1,\n "text": "hi"}]')
    assert sorted_rows(load(tmp_path / "x.json"), "id", "text") == [(1, "hi")]


def test_a_malformed_json_line_keeps_its_row(load, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": 1, "text": "hi"}\nnot json\n')
    assert sorted_rows(load(tmp_path / "x.jsonl"), "text", MALFORMED_COLUMN) == [("hi", None), (None, "not json")]


def test_each_line_of_a_text_file_is_a_text(load, tmp_path):
    (tmp_path / "x.txt").write_text("one\n\ntwo\n")
    assert sorted_rows(load(tmp_path / "x.txt", text_column="tweet"), "tweet") == [("",), ("one",), ("two",)]
