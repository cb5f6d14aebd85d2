"""Counts of the pass that does the work stay right if Spark runs tasks again."""

import json
import sys
from types import SimpleNamespace

import pyspark
import pytest
from pyspark.sql import functions as F

from bert_spark.tables.observed_counts import ObservedCounts
from tests.support import lost_shuffle
from tests.support.lost_shuffle import ROWS


def test_tasks_that_ran_again_are_counted_once(run_fresh, tmp_path):
    """In a process of its own: Spark would end the Java of the other tests ten minutes later."""
    where = {lost_shuffle.FOLDER: str(tmp_path), "PYSPARK_PYTHON": sys.executable}
    *logged, last = run_fresh("from tests.support import lost_shuffle; lost_shuffle.main()", **where).splitlines()
    assert json.loads(last) == [{"rows": ROWS, "total": ROWS * (ROWS - 1) // 2}, list(range(ROWS))]
    assert (tmp_path / "lost").exists()
    if pyspark.__version__ < "4":
        assert "tasks again, which ran again: the rows are counted anew" in "\n".join(logged)


def test_counts_of_an_undisturbed_pass_need_no_second_one(spark):
    seen = ObservedCounts(spark.range(0, ROWS, 1, 4), [F.count(F.lit(1)).alias("rows")], lambda: {"rows": -1})
    assert seen.rows.columns == ["id"]
    assert len(seen.rows.where("id % 3 = 0").collect()) == 334
    assert seen.result() == {"rows": ROWS}


@pytest.fixture
def appended(spark):
    """Return the counts of rows that cannot be counted by other means, as those that are appended to a table."""
    return ObservedCounts(spark.range(ROWS), [F.count(F.lit(1)).alias("rows")], dict)


def test_counts_that_spark_drops_are_those_of_no_row(appended):
    """Spark 3.5 drops them together with their plan if no row comes out of it."""
    appended._observation = SimpleNamespace(get={})
    assert appended.result() == {"rows": 0}


def test_counts_that_stay_too_large_are_said_to_be(appended, caplog):
    counted_twice = {"rows": 1010, "_bert_spark_tasks_counted": 5, "_bert_spark_tasks": 4}
    appended._observation = SimpleNamespace(get=counted_twice)
    assert appended.result() == {"rows": 1010}
    assert "Spark counted 1 tasks again, which ran again: the counts of this run are too large" in caplog.text
