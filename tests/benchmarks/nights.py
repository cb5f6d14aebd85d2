"""What one more night costs after 10 nights and after 1,000: a run by day of jobs/score.py into an output with history.

python -m tests.benchmarks.nights --nights 1000
"""

import contextlib
import datetime
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bert_spark.storage import Folder
from jobs.score import score
from tests.benchmarks.harness import parse_arguments, report
from tests.benchmarks.sessions import local_session
from tests.benchmarks.stored_vectors import write_artefact, write_vectors

FIRST = datetime.date(2020, 1, 1)
RUN_ID = "score-{stamp}T000000-{number:06x}"


def day(number):
    return str(FIRST + datetime.timedelta(days=number))


def with_history(folder, night, nights):
    """Give the output of one published night `nights` of them, each with its record."""
    folder, records = Path(folder), Path(folder) / "_manifests"
    (written,) = records.glob("*.json")
    record = json.loads(written.read_text())
    written.unlink()
    first = folder / "scores" / f"run_date={night}"
    for number in range(nights):
        run_id = RUN_ID.format(stamp=day(number).replace("-", ""), number=number)
        (records / f"{run_id}.json").write_text(json.dumps(record | {"run_id": run_id}))
        if number:
            shutil.copytree(first, folder / "scores" / f"run_date={day(number)}")


class Counted:
    """What a night does: files that Spark lists, jobs that it starts to list them, and small files that are read."""

    def __init__(self, spark):
        self.metrics = spark._jvm.org.apache.spark.metrics.source.HiveCatalogMetrics
        self.small_files = 0

    def __enter__(self):
        self._before = self._now()
        self._read, counted = Folder.read, self

        def read(folder, name):
            counted.small_files += 1
            return counted._read(folder, name)

        Folder.read = read
        return self

    def __exit__(self, *error):
        Folder.read = self._read
        self.files_listed, self.listing_jobs = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )

    def _now(self):
        counters = self.metrics.METRIC_FILES_DISCOVERED(), self.metrics.METRIC_PARALLEL_LISTING_JOB_COUNT()
        return [counter.getCount() for counter in counters]


def main():
    args = parse_arguments(__doc__, rows=200, rounds=3, width=32, nights=1000)
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    spark = local_session(args.threads)
    vectors, (artefact, _) = write_vectors(args, folder), write_artefact(args, folder)
    options = ["--input", vectors, "--embedding-column", "embedding", "--artefact", artefact]

    def one_night(nights, number):
        output = os.path.join(folder, str(nights), "scores")
        with Counted(spark) as counted, contextlib.redirect_stdout(io.StringIO()):
            started = time.perf_counter()
            score([*options, "--output", output, "--run-date", day(number)])
        counted.seconds = time.perf_counter() - started
        return counted

    histories = (10, args.nights)
    for nights in histories:
        one_night(nights, 0)
        with_history(os.path.join(folder, str(nights)), day(0), nights)
    seen = {nights: [] for nights in histories}
    for number in range(args.rounds):
        for nights in histories:
            seen[nights].append(one_night(nights, nights + number))
    spark.stop()
    shutil.rmtree(folder)
    names = ("seconds", "files_listed", "listing_jobs", "small_files")
    figures = {
        f"{name.replace('_', ' ')} after {nights:,} nights": [getattr(counted, name) for counted in seen[nights]]
        for name in names
        for nights in histories
    }
    few, many = ({name: statistics.median(getattr(one, name) for one in seen[n]) for name in names} for n in histories)
    bars = [
        (f"{name.replace('_', ' ')}, more than after 10", many[name] - few[name], "at most", 0) for name in names[1:]
    ]
    bars.append(("seconds, times those after 10", many["seconds"] / few["seconds"], "at most", 1.2))
    report(args, "nights", "of one more night", figures, bars)


if __name__ == "__main__":
    main()
