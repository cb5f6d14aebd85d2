"""Days published into tables: the same as into folders, whatever broke off."""

import pytest

from bert_spark.runs import publish
from bert_spark.tables import partitions
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of
from tests.support.row_counter import rows_through_python


def test_tables_are_published_by_day_too(spark, three):
    spark.sql("DROP TABLE IF EXISTS nightly_scores")
    three.output = "nightly_scores"
    table = ["--output-format", "table", "--work", three.folder / "work", *BY_COLUMN]
    for day in (DAYS[0], DAYS[1], DAYS[1]):
        assert three.score("--run-date", day, *table) == 0
    three.arrive(DAYS[1], 0)
    assert three.score("--run-date", DAYS[1], *table) == 0
    found = spark.table("nightly_scores").groupBy("run_date").count().collect()
    assert [(str(row.run_date), row["count"]) for row in found] == [(DAYS[0], 5)]
    spark.sql("DROP TABLE nightly_scores")


def test_a_table_whose_publishing_broke_off_is_made_good_without_bert(spark, three, monkeypatch):
    """After the rows were replaced, before the run knew of it."""
    spark.sql("DROP TABLE IF EXISTS broken_scores")
    three.output = "broken_scores"
    options = ["--run-date", DAYS[1], *BY_COLUMN, "--output-format", "table", "--work", three.folder / "work"]
    with monkeypatch.context() as dying:
        dying.setattr(publish, "replace_partition", lambda *given: [partitions.replace_partition(*given), 1 / 0])
        with pytest.raises(ZeroDivisionError):
            three.score(*options)
    assert spark.table("broken_scores").count() == 6
    with rows_through_python(spark) as rows:
        assert three.score(*options) == 0
    assert rows == []
    assert sorted(row.key for row in spark.table("broken_scores").collect()) == keys_of(DAYS[1], 6)
    assert not list((three.folder / "work" / "_staging" / "broken_scores").iterdir())
    spark.sql("DROP TABLE broken_scores")
