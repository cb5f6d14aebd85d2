"""Labels of every type, as Spark reads them and as Arrow reads them from the same Parquet files."""

import datetime

import pytest
from pyspark.sql import functions as F

from bert_spark.errors import DataError
from bert_spark.spark.label_column import check_label_column
from bert_spark.spark.parquet_rows import parquet_rows
from bert_spark.spark.training_rows import SparkRows
from bert_spark.tables.config import InputConfig
from bert_spark.training.config import TrainConfig

SOURCE = InputConfig(text_column="text")
ROWS = [
    ("a", "joy", 0.0, True, 1, datetime.date(2026, 1, 1)),
    ("b", " joy\t", float("nan"), False, 2, datetime.date(2026, 1, 2)),
    ("c", "  ", 1.0, None, None, None),
    ("d", "\u00a0sad\u2003", None, True, 1, datetime.date(2026, 1, 1)),
]
COLUMNS = "text string, word string, number double, flag boolean, whole int, day date"
CLASSES = {
    "word": ["joy", " joy\t", "  ", "\u00a0sad\u2003"],
    "word trimmed": ["joy", "joy", None, "sad"],
    "number": [0.0, None, 1.0, None],
    "decimal": [0, None, 1, None],
    "flag": [True, False, None, True],
    "whole": [1, 2, None, 1],
}


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("labels") / "rows")
    number = F.nanvl("number", F.lit(None)).cast("decimal(5,2)")
    df = spark.createDataFrame(ROWS, COLUMNS).withColumn("decimal", number).withColumn("many", F.array("word"))
    df.coalesce(1).write.parquet(folder)
    return folder


def labels_of(rows):
    batches = rows.pairs(None)[0].to_pylist()
    labels = {row["text"]: row["label"] for row in batches}
    return [labels.get(row[0]) for row in ROWS]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("reader", ["spark", "files"])
def test_nan_and_blank_labels_are_missing(spark, table, name, reader):
    column, _, trimmed = name.partition(" ")
    train = TrainConfig(embeddings=table, label_column=column, trim_labels=bool(trimmed))
    rows = parquet_rows(SOURCE, train) if reader == "files" else SparkRows(spark.read.parquet(table), SOURCE, train)
    expected = CLASSES[name]
    assert labels_of(rows) == expected
    assert rows.counts() == (
        4,
        sum(label is not None for label in expected),
        sum(label is not None for label in expected),
    )


@pytest.mark.parametrize(("name", "kind"), [("day", "date"), ("many", "array<string>")])
def test_a_type_that_cannot_hold_classes_is_refused(spark, table, name, kind):
    with pytest.raises(DataError, match=rf"label column '{name}' is {kind}; expected strings, whole numbers"):
        check_label_column(spark.read.parquet(table), name)
