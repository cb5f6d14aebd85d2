"""--keep-order numbers the records as their files have them, however Spark cuts and packs the files."""

import json

import pytest

from bert_spark.errors import ConfigError, DataError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.runs.settings_checks import check_run_settings
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.readers import read_input


def numbered(spark, path, **settings):
    """Return row number -> text, and the columns."""
    df = read_input(spark, InputConfig(path=str(path), **settings), keep_order=True)
    return {row.row_number: row.text for row in df.repartition(3).collect()}, df.columns


def test_files_are_numbered_by_their_paths_and_records_by_their_place(spark, tmp_path):
    """Spark itself reads larger files first."""
    (tmp_path / "b.csv").write_text("id,text\n" + "".join(f'{n},"b\n{n}"\n' for n in range(50)))
    (tmp_path / "a.csv").write_text("id,text\n1,a0\n2\n3,a2\n")
    found, columns = numbered(spark, tmp_path, format="csv")
    assert [found[n] for n in range(53)] == ["a0", None, "a2", *(f"b\n{n}" for n in range(50))]
    assert columns == ["id", "text", "_malformed_record", "row_number"]


def test_files_in_many_parts_are_numbered_line_by_line(spark, tmp_path):
    texts = [f"tweet {n} {'so ' * (n % 7)}" for n in range(400)]
    for name, part in {"a": texts[:100], "b": texts[100:]}.items():
        (tmp_path / f"{name}.json").write_text("".join(json.dumps({"text": text}) + "\n" for text in part))
    spark.conf.set("spark.sql.files.maxPartitionBytes", "2000")
    try:
        found, _ = numbered(spark, tmp_path, format="json")
        parts = spark.read.json(str(tmp_path)).rdd.getNumPartitions()
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert parts > 3
    assert [found[n] for n in range(400)] == texts


def test_records_of_pages_lines_of_text_and_parquet_rows_are_numbered(spark, tmp_path):
    pages = [{"data": [{"text": "a"}, {"text": "b"}]}, {"data": []}, {"data": [{"text": "c"}]}]
    (tmp_path / "pages.json").write_text("".join(json.dumps(page) + "\n" for page in pages))
    assert numbered(spark, tmp_path / "pages.json", records="data")[0] == {0: "a", 1: "b", 2: "c"}
    (tmp_path / "x.txt").write_text("a\n\nc\n")
    assert numbered(spark, tmp_path / "x.txt")[0] == {0: "a", 1: "", 2: "c"}
    spark.createDataFrame([(c,) for c in "xyz"], "text string").coalesce(1).write.parquet(str(tmp_path / "p"))
    assert numbered(spark, tmp_path / "p", format="parquet")[0] == {0: "x", 1: "y", 2: "z"}


def test_a_column_of_this_name_is_refused(spark, tmp_path):
    (tmp_path / "x.csv").write_text("Row_number,text\n7,hi\n")
    with pytest.raises(DataError, match=r"already has the columns \['Row_number'\].*; leave out --keep-order"):
        numbered(spark, tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("path", "schedule", "message"),
    [
        ("tweets.csv", {"incremental": True, "checkpoint": "c"}, "got --keep-order with --incremental"),
        ("main.tweets", {}, "'main.tweets' is read as table, whose rows have no order"),
    ],
)
def test_what_has_no_order_is_refused_before_spark_starts(path, schedule, message):
    output = OutputConfig(path="out", keep_order=True)
    with pytest.raises(ConfigError, match=message):
        check_run_settings(InputConfig(path=path), output, ScheduleConfig(**schedule))
