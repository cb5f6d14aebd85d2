"""Scheduled runs of jobs/score.py into a table of Iceberg, and what the table's metadata says."""

from jobs import history
from tests.support.iceberg import add_catalog
from tests.support.nightly_runs import NightlyRuns


class TableRuns(NightlyRuns):
    """Scheduled runs into a table of Iceberg in a catalog of their own; `score` runs the job."""

    def __init__(self, spark, artefact, folder):
        super().__init__(spark, artefact, folder)
        self.output = f"{add_catalog(spark, folder / 'warehouse')}.db.scores"
        self.work = folder / "work"

    def command(self, *options):
        """Return the job's command line."""
        return super().command("--output-format", "table", "--work", self.work, *options)

    def history(self, *options):
        """Run jobs/history.py and return its exit code."""
        return history.main(["--output", self.output, "--work", str(self.work), *options])

    def keys_by_day(self):
        """Return what a reader of the table sees: day -> sorted keys."""
        seen = {}
        for row in self.spark.table(self.output).select("run_date", "key").collect():
            seen.setdefault(str(row.run_date), []).append(row.key)
        return {day: sorted(keys) for day, keys in seen.items()}

    def snapshots(self):
        """Return the operations of the table's snapshots, those of branches too, oldest first."""
        found = self.spark.table(f"{self.output}.snapshots").select("committed_at", "operation").collect()
        return [operation for _, operation in sorted(found)]

    def branches(self):
        """Return the branches of the table besides the main one."""
        return sorted(row.name for row in self.spark.table(f"{self.output}.refs").collect() if row.name != "main")

    def left(self):
        """Return what runs have left behind in the staging folder."""
        return list((self.work / "_staging").glob("*/*"))
