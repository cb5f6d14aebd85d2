"""jobs/score.py --truth compares predicted labels with those that are there, in every kind of run."""

from decimal import Decimal

import pytest

from bert_spark.errors import DataError
from bert_spark.runs.truth import Truth
from tests.support.nightly_runs import BY_COLUMN, DAYS, TEXTS
from tests.support.run_records import run_record

NAN = float("nan")
ONE_EACH = {"rows": 3, "without_label": 1, "without_prediction": 1, "of_no_class": 1, "accuracy": pytest.approx(1 / 3)}
NUMBERS = [0, 0, 0, 1, None]  # predicted


@pytest.mark.parametrize(
    ("kind", "classes", "values", "predicted"),
    [
        ("string", ["joy", "sad"], ["joy", "joy", "hate", None, "sad"], ["joy", "sad", "joy", "joy", None]),
        ("string", [0, 1], ["0", "1", "2", None, "1"], NUMBERS),
        ("double", [0, 1], [0.0, 1.0, 0.5, NAN, 1.0], NUMBERS),
        ("decimal(5,2)", [0, 1], [Decimal(0), Decimal(1), Decimal("1.5"), None, Decimal(1)], NUMBERS),
        ("long", [0, 1], [0, 1, 7, None, 1], NUMBERS),
    ],
)
def test_labels_of_every_type_are_compared_and_rows_without_one_are_counted(spark, kind, classes, values, predicted):
    result = "long" if isinstance(classes[0], int) else "string"
    rows = spark.createDataFrame(list(zip(values, predicted, strict=True)), f"mood {kind}, label {result}").coalesce(1)
    truth = Truth("mood", "label", classes)
    truth.check_labels(rows)
    found = truth.compare(rows)
    assert {name: found[name] for name in ONE_EACH} == ONE_EACH
    assert found["labels"] == [str(label) for label in classes]


def test_booleans_and_labels_with_blanks_are_compared(spark):
    values = [(True, True, " joy", "joy"), (False, True, " ", "joy")]
    rows = spark.createDataFrame(values, "a boolean, b boolean, c string, d string").coalesce(1)
    found = Truth("a", "b", [False, True]).compare(rows)
    assert (found["rows"], found["accuracy"], found["confusion"]) == (2, 0.5, [[0, 1], [0, 1]])
    with pytest.raises(DataError, match=r"none of the first 2 labels of column 'c' is a class .*: \['joy'\]; set --tr"):
        Truth("c", "d", ["joy"]).check_labels(rows)
    found = Truth("c", "d", ["joy"], trim=True).compare(rows)
    assert (found["rows"], found["without_label"], found["accuracy"]) == (1, 1, 1.0)


def test_a_plain_run_prints_the_report_and_fills_the_record(nightly, capfd, caplog):
    rows = [(f"{text} {n}", "joy" if n % 3 else "sadness", n) for n, text in enumerate(TEXTS * 5)]
    df = nightly.spark.createDataFrame([*rows, ("no label", None, 99)], "text string, mood string, n int")
    df.write.parquet(str(nightly.input))
    source = ["--format", "parquet"]
    assert nightly.score(*source, "--truth", "mood", "--append") == 2
    assert "got --truth 'mood' with --append" in caplog.text
    assert nightly.score(*source, "--truth", "feeling") == 1
    assert "column 'feeling' not found; the table has ['text', 'mood', 'n']; set --truth" in caplog.text
    assert nightly.score(*source, "--truth", "n") == 1
    assert "none of the first 31 labels of column 'n' is a class of the artefact: ['joy', 'sadness']" in caplog.text
    assert not nightly.output.exists()
    assert nightly.score(*source, "--truth", "mood") == 0
    truth = run_record(nightly.folder, "score")["truth"]
    scored = nightly.spark.read.parquet(str(nightly.output)).where("mood is not null").toPandas()
    assert (truth["column"], truth["rows"], truth["without_label"]) == ("mood", 30, 1)
    assert truth["accuracy"] == pytest.approx((scored["mood"] == scored["label"]).mean())
    printed = capfd.readouterr().out
    assert "30 rows with a label in column 'mood' (1 without one, 0 without a prediction are left out)" in printed
    assert f"accuracy {truth['accuracy']:.3f}, weighted F1 {truth['f1_weighted']:.3f}" in printed


def test_a_run_by_day_compares_the_labels_of_the_day(nightly):
    rows = [(day, f"{text} {n}", ["joy", "sadness", None][n % 3]) for day in DAYS for n, text in enumerate(TEXTS)]
    nightly.spark.createDataFrame(rows, "day string, body string, mood string").write.parquet(str(nightly.input))
    options = ["--format", "parquet", "--truth", "mood", "--run-date", DAYS[0]]
    assert nightly.score(*BY_COLUMN, *options) == 0
    (record,) = nightly.records(status="published")
    assert (record["truth"]["rows"], record["truth"]["without_label"], record["rows_out"]) == (4, 2, 6)
    assert record["text_column"] == "body"


def test_an_incremental_run_compares_the_labels_of_what_is_new(stream):
    stream.write_file("c", 3, mood="joy")
    assert stream.score("--truth", "mood") == 0
    (record,) = stream.nightly.records(status="published")
    assert (record["truth"]["rows"], record["truth"]["without_label"], record["rows_out"]) == (3, 9, 12)
