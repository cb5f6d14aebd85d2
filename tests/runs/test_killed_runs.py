"""The driver is killed (SIGKILL) while it encodes: the next run publishes every key once, with the right labels.

test_histories.py goes through all other moments, in one process.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading

import pyspark
import pytest

from tests.support.nightly_runs import NightlyRuns, texts
from tests.support.paths import ROOT
from tests.support.row_counter import rows_through_python

APP = ROOT / "tests" / "support" / "kill_app.py"
DAY = "2026-11-24"
FILES = {"a": 40, "b": 50, "c": 60, "d": 30}
TIMEOUT_S = 1200  # only for a process that hangs: nothing below depends on how fast the machine is
COUNTED = pyspark.__version__ >= "4"  # Spark 3.5 shows no counts of a stream's micro-batches


class JobProcess:
    """A job in a process of its own that stops while it stages `partition`; see kill_app.py."""

    def __init__(self, partition, options, folder):
        daemon = "--conf spark.python.daemon.module=tests.support.preloaded_daemon pyspark-shell"
        variables = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": daemon}
        command = [sys.executable, str(APP), partition, *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | variables, cwd=folder
        )
        self._log = threading.Thread(target=self._copy_log, args=(folder / "killed.log",), daemon=True)
        self._log.start()
        self._hung = threading.Timer(TIMEOUT_S, self.process.kill)
        self._hung.daemon = True
        self._hung.start()

    def _copy_log(self, path):
        with path.open("wb") as file:
            shutil.copyfileobj(self.process.stdout, file)

    def wait_until_stopped(self):
        """Wait until the process has stopped itself."""
        state = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert (state.si_code, state.si_status) == (os.CLD_STOPPED, signal.SIGSTOP)

    def kill(self):
        """Kill the process and wait until its JVM, which holds the pipe of the log too, has ended as well."""
        self.process.kill()
        assert self.process.wait(TIMEOUT_S) == -signal.SIGKILL
        self._log.join(TIMEOUT_S)
        assert not self._log.is_alive()
        self._hung.cancel()


def write_files(nightly):
    """Write the four json files of FILES as the input, and return the runs."""
    nightly.input.mkdir()
    for name, rows in FILES.items():
        lines = [json.dumps({"key": key, "text": text}) for key, _, text in texts(name, rows)]
        (nightly.input / f"{name}.json").write_text("\n".join([*lines, ""]))
    return nightly


@pytest.fixture
def four_files(nightly):
    """Return scheduled runs whose input is the four json files of FILES."""
    return write_files(nightly)


@pytest.fixture(scope="module")
def uninterrupted_labels(spark, artefact, tmp_path_factory):
    """Return the sorted (key, label) of a run that nothing interrupts."""
    nightly = write_files(NightlyRuns(spark, artefact, tmp_path_factory.mktemp("uninterrupted")))
    assert nightly.score("--format", "json", "--run-date", DAY) == 0
    return nightly.rows()[DAY]


@pytest.fixture
def start_job(four_files):
    """Return a function that starts a job on the four files; processes that a failed test leaves are killed."""
    jobs = []

    def start(partition, options):
        jobs.append(JobProcess(partition, four_files.command(*options), four_files.folder))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()


@pytest.fixture
def incremental(four_files):
    """Return the options of an incremental run with one file a micro-batch."""
    return ["--format", "json", "--incremental", "--checkpoint", four_files.folder / "seen", "--max-files", "1"]


@pytest.fixture
def check_output(four_files, uninterrupted_labels):
    """Return a function that checks every key and label, the records' counts, and that nothing is staged any more."""

    def check():
        assert sorted(row for rows in four_files.rows().values() for row in rows) == uninterrupted_labels
        published = four_files.records(status="published")
        assert sum(r["rows_out"] for r in published) == sum(r["rows_in"] for r in published) == sum(FILES.values())
        assert not list((four_files.folder / "_staging" / "scores").iterdir())

    return check


def test_a_run_killed_in_any_micro_batch_is_completed_by_the_next(
    spark, four_files, incremental, start_job, check_output, caplog
):
    """While the first run is alive, even stopped, a second one ends at once and names it."""
    batch = random.randrange(len(FILES))
    job = start_job(f"batch={batch}", incremental)
    job.wait_until_stopped()
    assert four_files.score(*incremental) == 1
    assert f"(process {job.process.pid} on" in caplog.messages[-1]
    job.kill()
    with rows_through_python(spark) as rows:
        assert four_files.score(*incremental) == 0
    if COUNTED:
        assert len(rows) == len(FILES) - batch, f"killed in micro-batch {batch}"
    check_output()


def test_a_day_killed_while_it_is_encoded_is_encoded_again(spark, four_files, start_job, check_output):
    options = ["--format", "json", "--run-date", DAY]
    job = start_job(f"run_date={DAY}", options)
    job.wait_until_stopped()
    job.kill()
    assert len(list((four_files.folder / "_staging" / "scores").glob("day-*"))) == 1
    assert not four_files.output.exists()
    with rows_through_python(spark) as rows:
        assert four_files.score(*options) == 0
    assert sum(rows) == sum(FILES.values())
    check_output()
