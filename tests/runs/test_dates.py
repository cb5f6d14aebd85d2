"""Dates that are texts are read in the format that is set, and a day of records without a date is refused."""

import datetime

import pytest

from bert_spark.errors import ConfigError
from bert_spark.runs.date_format import check_date_format, parsed_date

DAY = datetime.date(2020, 3, 2)


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        (None, "2020-03-02"),
        (None, "2020-03-02T23:00:00"),
        ("dd-MM-yyyy", "02-03-2020"),
        ("M/d/yy", "3/2/20"),
        ("EEE MMM dd HH:mm:ss Z yyyy", "Mon Mar 02 12:00:00 +0000 2020"),  # Twitter
        ("EEE, dd MMM yyyy HH:mm:ss Z", "Mon, 02 Mar 2020 12:00:00 +0000"),  # e-mail
    ],
)
def test_dates_are_read_in_their_format_and_others_are_null(spark, date_format, text):
    check_date_format(spark, date_format)
    table = spark.createDataFrame([(text,), ("yesterday",), ("2-3-2020 or so",), (None,)], "day string")
    assert [row[0] for row in table.select(parsed_date(table.day, date_format)).collect()] == [DAY, None, None, None]


@pytest.mark.parametrize("date_format", ["dd-bb-yyyy", "%d-%m-%Y", "EEEE"])
def test_a_format_that_spark_cannot_read_is_refused(spark, date_format):
    with pytest.raises(ConfigError, match=r"is not a format that Spark reads; expected e.g. dd-MM-yyyy"):
        check_date_format(spark, date_format)


def test_a_day_whose_dates_cannot_be_read_leaves_the_table_unchanged(nightly, caplog):
    nightly.write_day("2020-03-02", 2)
    day = ["--run-date", "2020-03-02", "--date-column", "day"]
    assert nightly.score(*day) == 0
    before = nightly.files()
    nightly.write_day("2020-03-02", 0)
    nightly.write_day("02-03-2020", 3)
    assert nightly.score(*day) == 4
    assert "records without a date that --date-format reads: 100.00%" in caplog.text
    assert nightly.files() == before
    assert nightly.score(*day, "--date-format", "dd-MM-yyyy") == 0
    assert nightly.keys() == [f"02-03-2020-{n}" for n in range(3)]
    assert not list((nightly.folder / "_staging" / "scores").iterdir())
