"""The driver killed (SIGKILL) where it hurts: the next run ends with every key once and the labels of a quiet run."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pyspark
import pytest

from tests.support.nightly_runs import texts
from tests.support.paths import ROOT
from tests.support.row_counter import rows_through_python

APP = ROOT / "tests" / "support" / "kill_app.py"
DAY = "2026-11-24"
FILES = {"a": 40, "b": 50, "c": 60, "d": 30}
COUNTED = pyspark.__version__ >= "4"  # Spark 3.5 shows no counts of a stream's micro-batches


def start(point, options, folder):
    variables = os.environ | {"PYTHONPATH": f"{ROOT}", "PYSPARK_PYTHON": sys.executable}
    with (folder / "killed.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, str(APP), point, *options], stdout=log, stderr=log, env=variables, cwd=folder
        )


def killed(process):
    assert process.wait(240) == -signal.SIGKILL


def stopped(nights, options, rows):
    """Start a job and stop it as soon as it writes the first of some rows; return it and where they are staged."""
    process = start("as it encodes", nights.options(*options), nights.folder)
    staged = nights.folder / "_staging" / "scores"
    end = time.monotonic() + 240
    while not list(staged.glob(rows)) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)
    return process, staged


@pytest.fixture
def stream(nights):
    nights.input.mkdir()
    for name, rows in FILES.items():
        lines = [json.dumps({"key": key, "text": text}) for key, _, text in texts(name, rows)]
        (nights.input / f"{name}.json").write_text("\n".join([*lines, ""]))
    nights.base = ["--format", "json", "--incremental", "--checkpoint", nights.folder / "seen", "--max-files", "1"]
    return nights


def labels_at_once(nights):
    """Return the labels of a run that nothing disturbs."""
    kept, nights.output = nights.output, nights.folder / "quiet"
    assert nights.score("--format", "json", "--run-date", DAY) == 0
    found = nights.rows()[DAY]
    nights.output = kept
    return found


def check(nights):
    """Every key once, the labels of an uninterrupted run, counts that add up, and nothing left over."""
    assert sorted(row for rows in nights.rows().values() for row in rows) == labels_at_once(nights)
    published = [r for r in nights.records(status="published") if r["output"] == str(nights.output)]
    assert sum(r["rows_out"] for r in published) == sum(r["rows_in"] for r in published) == sum(FILES.values())
    assert not list((nights.folder / "_staging" / "scores").iterdir())


def test_killed_in_a_micro_batch_no_matter_which(spark, stream, caplog):
    """As long as the first run lives, be it that it does not move, a second one stops at once and names it."""
    batch = random.randrange(len(FILES))
    process, staged = stopped(stream, stream.base, f"new-*/batch={batch}/*")
    assert stream.score(*stream.base) == 1
    assert f"(process {process.pid} on" in caplog.messages[-1]
    process.kill()
    killed(process)
    done = len(list(staged.glob("new-*/batch=*/_SUCCESS")))
    with rows_through_python(spark) as rows:
        assert stream.score(*stream.base) == 0
    if COUNTED:
        assert len(FILES) - done <= len(rows) <= len(FILES) - done + 1, f"killed in micro-batch {batch}"
    check(stream)


@pytest.mark.parametrize("point", ["between audit and publish", "during publish", "while it clears away"])
def test_killed_after_the_audit_of_what_is_new(spark, stream, point):
    killed(start(point, stream.options(*stream.base), stream.folder))
    with rows_through_python(spark) as rows:
        assert stream.score(*stream.base) == 0
    assert rows == []
    check(stream)


def test_a_day_killed_as_it_is_encoded_is_encoded_anew(spark, stream):
    options = ["--format", "json", "--run-date", DAY]
    process, staged = stopped(stream, options, f"day-*/run_date={DAY}/*")
    process.kill()
    killed(process)
    assert len(list(staged.glob("day-*"))) == 1
    assert not stream.output.exists()
    with rows_through_python(spark) as rows:
        assert stream.score(*options) == 0
    assert sum(rows) == sum(FILES.values())
    check(stream)


@pytest.mark.parametrize("point", ["between audit and publish", "during publish"])
def test_a_day_killed_after_its_audit_is_published_by_the_same_command_without_bert(spark, stream, point):
    options = ["--format", "json", "--run-date", DAY]
    killed(start(point, stream.options(*options), stream.folder))
    with rows_through_python(spark) as rows:
        assert stream.score(*options) == 0
    assert rows == []
    check(stream)
