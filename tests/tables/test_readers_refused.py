"""An input that can't be read as set is named, with the option to change."""

import pytest

from bert_spark.errors import ConfigError, DataError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.readers import read_input


def load(spark, path, **settings):
    return read_input(spark, InputConfig(path=str(path), **settings))


def test_fail_on_malformed_stops_with_their_number(spark, tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,hi\n2\n3,a,b\n")
    with pytest.raises(DataError, match="holds 2 malformed records; mend them, or leave --fail-on-malformed out"):
        load(spark, tmp_path / "x.csv", fail_on_malformed=True)


def test_wrong_delimiter_is_named(spark, tmp_path):
    (tmp_path / "x.csv").write_text("id;text\n1;hi\n")
    with pytest.raises(DataError, match="has one column, 'id;text', where ',' parts the columns; set --delimiter"):
        load(spark, tmp_path / "x.csv")
    assert load(spark, tmp_path / "x.csv", delimiter=";").select("id", "text").collect() == [("1", "hi")]


@pytest.mark.parametrize("kind", ["struct<a:int>", "array<string>", "double"])
def test_text_column_that_is_no_string_is_refused_with_the_cast(spark, tmp_path, kind):
    spark.sql(f"SELECT CAST(NULL AS {kind}) AS text").write.parquet(str(tmp_path / "x.parquet"))
    with pytest.raises(DataError, match=r"column 'text' is .*; expected string; cast it first"):
        load(spark, tmp_path / "x.parquet")


def test_no_input_says_which_option(spark):
    with pytest.raises(ConfigError, match="no input given; pass --input"):
        read_input(spark, InputConfig())


def test_absent_path_is_named(spark, tmp_path):
    with pytest.raises(
        DataError, match=r"can't read '.*nowhere.csv' as csv \(--format\) in UTF-8 \(--encoding\): .*PATH"
    ):
        load(spark, tmp_path / "nowhere.csv")


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_folder_of_another_format_is_named_with_the_option(spark, tmp_path, kind):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.csv").write_text("id,text\n1,hi\n")
    with pytest.raises(DataError, match=rf"can't read '.*/in' as {kind} \(--format\): .*(not a Parquet file|ORC)"):
        load(spark, tmp_path / "in", format=kind)


@pytest.mark.parametrize(("name", "content"), [("x.csv", "id,text\n1,hi\n"), ("x.json", '{"text": "hi"}\n')])
def test_encoding_that_does_not_exist_is_named_with_the_option(spark, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"in UTF-9 \(--encoding\): .*UTF-9"):
        load(spark, tmp_path / name, encoding="UTF-9")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tweets.csv.zip", "is an archive: unpack it, or compress each file with gzip"),
        ("tweets.xlsx", "is a spreadsheet: save it as csv in UTF-8"),
        ("tweets.csv.GZ", "rename it, so that it ends in .gz"),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "csv"])
def test_what_spark_does_not_open_is_named(spark, name, message, kind):
    with pytest.raises(DataError, match=message):
        load(spark, name, format=kind)
