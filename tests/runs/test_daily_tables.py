"""Days published as partitions of a table, also after a publication that was interrupted."""

import pytest

from bert_spark.runs import publish
from bert_spark.tables import output_partitions
from tests.support.nightly_runs import BY_COLUMN, DAYS, keys_of_day
from tests.support.row_counter import rows_through_python


def test_days_are_published_as_partitions_of_a_table(spark, three_days):
    spark.sql("DROP TABLE IF EXISTS nightly_scores")
    three_days.output = "nightly_scores"
    table = ["--output-format", "table", "--work", three_days.folder / "work", *BY_COLUMN]
    for day in (DAYS[0], DAYS[1], DAYS[1]):
        assert three_days.score("--run-date", day, *table) == 0
    three_days.write_day(DAYS[1], 0)
    assert three_days.score("--run-date", DAYS[1], *table) == 0
    counts = spark.table("nightly_scores").groupBy("run_date").count().collect()
    assert [(str(row.run_date), row["count"]) for row in counts] == [(DAYS[0], 5)]
    spark.sql("DROP TABLE nightly_scores")


def test_an_interrupted_publication_into_a_table_is_completed_without_bert(spark, three_days, monkeypatch):
    """The run dies after it has replaced the rows and before it records that."""
    spark.sql("DROP TABLE IF EXISTS broken_scores")
    three_days.output = "broken_scores"
    options = ["--run-date", DAYS[1], *BY_COLUMN, "--output-format", "table", "--work", three_days.folder / "work"]
    with monkeypatch.context() as patch:
        patch.setattr(publish, "replace_partition", lambda *args: [output_partitions.replace_partition(*args), 1 / 0])
        with pytest.raises(ZeroDivisionError):
            three_days.score(*options)
    assert spark.table("broken_scores").count() == 6
    with rows_through_python(spark) as rows:
        assert three_days.score(*options) == 0
    assert rows == []
    assert sorted(row.key for row in spark.table("broken_scores").collect()) == keys_of_day(DAYS[1], 6)
    assert not list((three_days.folder / "work" / "_staging" / "broken_scores").iterdir())
    spark.sql("DROP TABLE broken_scores")
