"""An input that cannot be read as set is refused, and the message names the option to change."""

import pytest

from bert_spark.errors import ConfigError, DataError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.readers import read_input


def test_fail_on_malformed_reports_the_number_of_records(load, tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,hi\n2\n3,a,b\n")
    with pytest.raises(DataError, match="holds 2 malformed records; correct them, or leave out --fail-on-malformed"):
        load(tmp_path / "x.csv", fail_on_malformed=True)


def test_a_wrong_delimiter_is_named(load, tmp_path):
    (tmp_path / "x.csv").write_text("id;text\n1;hi\n")
    with pytest.raises(
        DataError, match=r"with the delimiter ',', '.*x.csv' has one column, 'id;text'; set --delimiter"
    ):
        load(tmp_path / "x.csv")
    assert load(tmp_path / "x.csv", delimiter=";").select("id", "text").collect() == [("1", "hi")]


@pytest.mark.parametrize("kind", ["struct<a:int>", "array<string>", "double"])
def test_a_text_column_of_another_type_is_refused_with_the_cast(spark, load, tmp_path, kind):
    spark.sql(f"SELECT CAST(NULL AS {kind}) AS text").write.parquet(str(tmp_path / "x.parquet"))
    with pytest.raises(DataError, match=r"column 'text' is .*; expected string; cast it first"):
        load(tmp_path / "x.parquet")


def test_a_missing_input_names_its_option(spark):
    with pytest.raises(ConfigError, match="no input given; pass --input"):
        read_input(spark, InputConfig())


def test_a_path_that_does_not_exist_is_named(load, tmp_path):
    with pytest.raises(
        DataError, match=r"can't read '.*nowhere.csv' as csv \(--format\) in UTF-8 \(--encoding\): .*PATH"
    ):
        load(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_files_of_another_format_name_the_option(load, tmp_path, kind):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.csv").write_text("id,text\n1,hi\n")
    with pytest.raises(DataError, match=rf"can't read '.*/in' as {kind} \(--format\): .*(not a Parquet file|ORC)"):
        load(tmp_path / "in", format=kind)


@pytest.mark.parametrize(("name", "content"), [("x.csv", "id,text\n1,hi\n"), ("x.json", '{"text": "hi"}\n')])
def test_an_unknown_encoding_names_the_option(load, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"in UTF-9 \(--encoding\): .*UTF-9"):
        load(tmp_path / name, encoding="UTF-9")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tweets.csv.zip", "is an archive: unpack it, or compress each file with gzip"),
        ("tweets.xlsx", "is a spreadsheet: save it as csv in UTF-8"),
        ("tweets.csv.GZ", "rename it so that it ends in .gz"),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "csv"])
def test_archives_spreadsheets_and_upper_case_suffixes_are_refused(load, name, message, kind):
    with pytest.raises(DataError, match=message):
        load(name, format=kind)
