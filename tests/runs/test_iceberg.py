"""Days published into an Iceberg table: written once, to a branch, and published in one step."""

import json
import threading

import pytest
from pyspark.errors import ParseException

from bert_spark.runs import publish
from bert_spark.tables import iceberg_branches
from jobs import history
from tests.support import iceberg
from tests.support.nightly_runs import DAYS, keys_of_day
from tests.support.row_counter import rows_through_python

pytestmark = pytest.mark.skipif(
    not iceberg.jars(), reason="Iceberg jar missing: set ICEBERG_JARS=iceberg-spark-runtime-….jar, see .ci/run"
)


class IcebergRuns:
    """Scheduled runs into a table of Iceberg, and what its metadata says."""

    def __init__(self, nightly):
        self.nightly, self.spark = nightly, nightly.spark
        self.table = nightly.output = f"{iceberg.add_catalog(nightly.spark, nightly.folder / 'warehouse')}.db.scores"
        self.work = ["--work", str(nightly.folder / "work")]

    def score(self, *options):
        """Run jobs/score.py by day and return its exit code."""
        return self.nightly.score("--output-format", "table", *self.work, "--date-column", "day", *options)

    def history(self, *options):
        """Run jobs/history.py and return its exit code."""
        return history.main(["--output", self.table, *self.work, *options])

    def keys(self):
        """Return what a reader of the table sees: day -> sorted keys."""
        seen = {}
        for row in self.spark.table(self.table).select("run_date", "key").collect():
            seen.setdefault(str(row.run_date), []).append(row.key)
        return {day: sorted(keys) for day, keys in seen.items()}

    def snapshots(self):
        """Return the operations of the table's snapshots, those of branches too."""
        return [row.operation for row in self.spark.table(f"{self.table}.snapshots").orderBy("committed_at").collect()]

    def branches(self):
        """Return the names of the table's branches."""
        return sorted(row.name for row in self.spark.table(f"{self.table}.refs").collect())

    def staged(self):
        """Return the state of each staged run."""
        files = (self.nightly.folder / "work" / "_staging").glob("*/*/state.json")
        return [json.loads(file.read_text()) for file in files]

    def left(self):
        """Return what runs have left behind in the staging folder."""
        return list((self.nightly.folder / "work" / "_staging").glob("*/*"))

    def commit_of_another_job(self):
        """Add rows to the table as another job does."""
        columns = [column for column in self.spark.table(self.table).columns if column not in ("key", "run_date")]
        values = ", ".join(f"NULL AS {column}" for column in columns)
        rows = self.spark.sql(f"SELECT 'theirs' AS key, DATE'2020-02-02' AS run_date, {values}")
        rows.select(*self.spark.table(self.table).columns).writeTo(self.table).append()


@pytest.fixture
def runs(three_days):
    """Return runs whose input holds three days: 5, 6 and 7 rows."""
    return IcebergRuns(three_days)


@pytest.fixture
def refused(runs):
    """Return runs of which that of the second day was refused: 3 of 6 rows have no text."""
    assert runs.score("--run-date", DAYS[0]) == 0
    runs.nightly.write_day(DAYS[1], 6, missing=3)
    assert runs.score("--run-date", DAYS[1]) == 4
    assert runs.keys() == {DAYS[0]: keys_of_day(DAYS[0], 5)}
    return runs


def test_rows_are_written_once_and_published_in_one_step(runs):
    with rows_through_python(runs.spark) as rows:
        assert runs.score("--run-date", DAYS[0], "--partition-mb", "0.0001") == 0
        assert runs.score("--run-date", DAYS[1]) == 0
    assert sum(rows) == 5 + 6
    assert runs.keys() == {DAYS[0]: keys_of_day(DAYS[0], 5), DAYS[1]: keys_of_day(DAYS[1], 6)}
    assert runs.snapshots() == ["append", "overwrite", "overwrite"]  # the first is that of the empty table
    assert runs.branches() == ["main"]
    assert runs.left() == []
    files = runs.spark.table(f"{runs.table}.files").groupBy("partition.run_date").count().collect()
    assert dict(map(tuple, files)).popitem()[1] > 0
