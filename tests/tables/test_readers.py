"""Tables as people have them: each kind of file, and each way in which a csv goes wrong."""

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
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import format_from_name
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.partitioning import partition_count, spread_by_bytes
from bert_spark.tables.readers import read_input
from bert_spark.tables.row_counts import input_counts
from bert_spark.tables.schema import MALFORMED_COLUMN
from tests.support.any_text import TEXTS, as_transformers_takes_it

FEW = settings(max_examples=15, deadline=None, derandomize=True)  # each goes through Spark


def load(spark, path, **settings):
    return read_input(spark, InputConfig(path=str(path), **settings))


def rows(df, *names):
    return sorted((tuple(row[name] for name in names) for row in df.collect()), key=repr)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/tweets.csv", "csv"),
        ("tweets.csv.gz", "csv"),
        ("s3://b/x/*.jsonl.zst", "json"),
        ("a.tsv", "csv"),
        ("notes.txt", "text"),
        ("a/b.parquet/", "parquet"),
        ("tweets", "table"),
        ("main.raw.tweets", "table"),
        ("./tweets", "parquet"),
        ("tweets.csv.GZ", "csv"),
    ],
)
def test_format_goes_by_the_name(path, kind):
    assert format_from_name(path) == kind


# Half of a surrogate pair can't be written as UTF-8.
MANY = st.lists(TEXTS.map(as_transformers_takes_it), min_size=1, max_size=60)
CORNERS = ["", " ", '"', '\\"', "ends in \\", "NULL", "'a', b; c", "two\nlines", "carriage\r\nreturn", "x" * 200_000]


@example(CORNERS)
@given(MANY)
@FEW
def test_csv_written_by_pandas_reads_back_exactly(spark, tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(path, index=False, quoting=1)
    assert {int(row.id): row.text for row in load(spark, path).collect()} == dict(enumerate(texts))


@example(CORNERS)
@given(MANY)
@FEW
def test_csv_written_by_spark_reads_back_exactly(spark, tmp_path_factory, texts):
    path = str(tmp_path_factory.mktemp("csv") / "x.csv")
    df = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
    exact = {"ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}  # else Spark's writer trims texts
    df.write.csv(path, header=True, quoteAll=True, escape='"', **exact)
    assert {int(row.id): row.text for row in load(spark, path).collect()} == dict(enumerate(texts))


def test_missing_and_empty_cells_are_told_apart(spark, tmp_path):
    (tmp_path / "x.csv").write_text('id,text\n1,\n2,""\n3, \n')
    assert rows(load(spark, tmp_path / "x.csv"), "id", "text") == [("1", None), ("2", ""), ("3", " ")]


def test_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(spark, tmp_path):
    (tmp_path / "x.csv").write_bytes(codecs.BOM_UTF8 + b"id,text\r\n1,hi\r\n")
    df = load(spark, tmp_path / "x.csv", id_column="id")
    assert rows(df, "id", "text") == [("1", "hi")]


def test_malformed_records_keep_their_row_and_raw_text(spark, tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,hi\n2\n3,a,b\n")
    found = rows(load(spark, tmp_path / "x.csv"), "id", MALFORMED_COLUMN)
    assert found == [("1", None), ("2", "2"), ("3", "3,a,b")]


def test_tsv_is_parted_by_tabs(spark, tmp_path):
    (tmp_path / "x.tsv").write_text("id\ttext\n1\ta, b\n")
    assert rows(load(spark, tmp_path / "x.tsv"), "id", "text") == [("1", "a, b")]


def test_encoding_is_heeded(spark, tmp_path):
    (tmp_path / "x.csv").write_bytes("id,text\n1,caf\u00e9\n".encode("latin-1"))
    assert rows(load(spark, tmp_path / "x.csv", encoding="ISO-8859-1"), "text") == [("caf\u00e9",)]
    assert rows(load(spark, tmp_path / "x.csv"), "text") == [("caf\ufffd",)]


NATIVE = pytest.mark.skipif(pyspark.__version__ < "4", reason="pip's Spark 3.5 has no native zStandard library")


@pytest.mark.parametrize(
    ("suffix", "squeeze"),
    [("gz", gzip.compress), ("bz2", bz2.compress), pytest.param("zst", zstandard.compress, marks=NATIVE)],
)
def test_compressed_files_are_read(spark, tmp_path, suffix, squeeze):
    (tmp_path / f"x.csv.{suffix}").write_bytes(squeeze(b"id,text\n1,hi\n"))
    assert rows(load(spark, tmp_path / f"x.csv.{suffix}"), "id", "text") == [("1", "hi")]


def test_globs_and_partitioned_folders_are_read(spark, tmp_path):
    for day in (1, 2):
        (tmp_path / "t" / f"day={day}").mkdir(parents=True)
        (tmp_path / "t" / f"day={day}" / "x.csv").write_text(f"id,text\n{day},hi\n")
    assert rows(load(spark, tmp_path / "t", format="csv"), "id", "day") == [("1", "1"), ("2", "2")]
    assert rows(load(spark, tmp_path / "t" / "*" / "*.csv"), "id", "text") == [("1", "hi"), ("2", "hi")]


def test_files_whose_columns_stand_in_another_order_are_not_read_by_position(spark, tmp_path):
    (tmp_path / "1.csv").write_text("id,text\n1,hi\n")
    (tmp_path / "2.csv").write_text("text,id\nso,2\n")
    with pytest.raises(Exception, match="CSV header does not conform to the schema"):
        load(spark, tmp_path / "*.csv").collect()


def test_empty_file_and_file_of_a_header_alone(spark, tmp_path):
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(DataError, match=r"is empty; expected a first line with the names of the columns"):
        load(spark, tmp_path / "x.csv")
    (tmp_path / "y.csv").write_text("id,text\n")
    assert load(spark, tmp_path / "y.csv").collect() == []


def test_json_lines_and_json_arrays(spark, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": 1, "text": "hi"}\n{"id": 2}\n')
    assert rows(load(spark, tmp_path / "x.jsonl"), "id", "text") == [(1, "hi"), (2, None)]
    (tmp_path / "y.json").write_text('[{"id": 1, "text": "hi"},\n {"id": 2, "text": "so"}]')
    assert rows(load(spark, tmp_path / "y.json"), "id", "text") == [(1, "hi"), (2, "so")]


@pytest.mark.parametrize(
    ("content", "counted"),
    [
        ('text,note\nhi,"open' + "\nso,on" * 20, 1),  # the last column takes the rest
        ('note,text\n"open' + "\nso,on" * 20, 1),  # too few columns: malformed, with its raw text
        ('text,note\nhi,"closed' + "\nso,on" * 19 + '"', 0),
        ('text,note\n"' + "a\n" * 20 + '","' + "b\n" * 20 + '"', 1),  # one record in two columns is one
    ],
)
def test_records_that_look_swallowed_are_counted_in_whichever_column(spark, tmp_path, content, counted):
    (tmp_path / "x.csv").write_text(content)
    df = load(spark, tmp_path / "x.csv")
    assert df.agg(*input_counts(df, "text")).first().rows_many_lines == counted


def test_json_lines_beside_a_json_array_are_refused(spark, tmp_path):
    """Of the lines Spark would read the first."""
    (tmp_path / "a.json").write_text("\n [\n" + ",\n".join(f'{{"text": "t{n}"}}' for n in range(60)) + "\n]\n")
    (tmp_path / "c.json").write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(DataError, match=r"a json array, and others of lines, like '.*c.json'; read them apart"):
        load(spark, tmp_path, format="json")
    (tmp_path / "c.json").write_text('[{"text": "a"},\n{"text": "b"}]\n')
    assert load(spark, tmp_path, format="json").count() == 62


def test_json_array_behind_blank_lines(spark, tmp_path):
    (tmp_path / "x.json").write_text('\n \t\n [{"id": 1,\n "text": "hi"}]')
    assert rows(load(spark, tmp_path / "x.json"), "id", "text") == [(1, "hi")]


def test_malformed_json_line_keeps_its_row(spark, tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": 1, "text": "hi"}\nnot json\n')
    assert rows(load(spark, tmp_path / "x.jsonl"), "text", MALFORMED_COLUMN) == [("hi", None), (None, "not json")]


def test_text_files_are_one_text_a_line(spark, tmp_path):
    (tmp_path / "x.txt").write_text("one\n\ntwo\n")
    assert rows(load(spark, tmp_path / "x.txt", text_column="tweet"), "tweet") == [("",), ("one",), ("two",)]


@pytest.mark.parametrize(
    ("size", "mb", "tasks"),
    [
        (0, None, 1),
        (1, None, 1),
        (4_000_000, None, 16),
        (1_000 * 256 * 1024, None, 1000),
        (100 * 2**30, None, 6400),
        (10_000_000, 5, 2),
        (10_000_001, 5, 3),
    ],
)
def test_tasks_go_by_bytes(size, mb, tasks):
    assert partition_count(size, mb) == tasks


def test_a_plain_file_counts_as_it_is(spark, tmp_path):
    (tmp_path / "x.gz.csv").write_text("id,text\n1,hi\n")
    assert input_bytes(load(spark, tmp_path / "x.gz.csv")) == 13


def test_one_compressed_file_is_spread_over_tasks(spark, tmp_path):
    lines = "".join(f"{i},tweet number {i * 7919 % 100_003}\n" for i in range(100_000))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"id,text\n" + lines.encode()))
    df = load(spark, tmp_path / "x.csv.gz")
    assert input_bytes(df) == int(2.5 * (tmp_path / "x.csv.gz").stat().st_size)
    sizes = spread_by_bytes(df, 0.25).rdd.glom().map(len).collect()
    assert sum(sizes) == 100_000
    assert len(sizes) >= 4
    assert max(sizes) < 2 * min(sizes)
