"""Progress in rows if Spark reports them, otherwise in tasks; as one live line, or in the log."""

import logging
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from bert_spark.runs.progress import show_progress
from bert_spark.runs.progress_source import ProgressSnapshot, snapshot_of_stage, snapshot_reader
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("counts", "snapshot"),
    [
        ({"rows": 30, "total_rows": 120}, ProgressSnapshot(30, 120, "rows", 1)),
        ({"rows": 130, "total_rows": 120}, ProgressSnapshot(120, 120, "rows", 1)),  # a repeated task reads rows twice
        ({"rows": 0, "total_rows": 0}, ProgressSnapshot(2, 5, "tasks", 1)),
    ],
)
def test_rows_are_counted_if_their_total_is_known_and_tasks_otherwise(counts, snapshot):
    assert snapshot_of_stage(tasks=2, total_tasks=5, failed_tasks=1, **counts) == snapshot


@pytest.fixture
def slow(spark):
    """Return a function that adds a column which takes 0.4 s a row."""
    from pyspark.sql import functions as F

    @F.udf("int")
    def wait(number):
        time.sleep(0.4)
        return number

    return lambda rows: rows.select(wait("id"))


@pytest.mark.parametrize(("spread", "unit"), [(False, "4 tasks"), (True, "8 rows")])
def test_log_lines_count_rows_that_were_spread_and_else_tasks(spark, slow, caplog, spread, unit):
    """The session has no web pages: the counts are those in the driver's memory."""
    assert spark.sparkContext.uiWebUrl is None
    rows = slow(spark.range(0, 8, 1, 2).repartition(4) if spread else spark.range(0, 8, 1, 4))
    with caplog.at_level(logging.INFO), show_progress(spark, "embed", live=False, every_s=0.1):
        rows.write.format("noop").mode("overwrite").save()
    lines = [record.getMessage() for record in caplog.records if record.name == "bert_spark.runs.progress"]
    assert any(line.startswith("embed: ") and f" of {unit}, " in line for line in lines)
    assert all(line.endswith("0 failed tasks") for line in lines)


class NoContext:
    """A session of a platform that hides Spark's context."""

    @property
    def sparkContext(self):
        raise RuntimeError("hidden")


class NoJvm:
    """A session whose Java side is hidden. Its status tracker reports one stage."""

    sparkContext = SimpleNamespace(
        statusTracker=lambda: SimpleNamespace(
            getActiveStageIds=lambda: [7],
            getStageInfo=lambda number: SimpleNamespace(numCompletedTasks=2, numTasks=5, numFailedTasks=1),
        )
    )


@pytest.mark.parametrize(("session", "snapshot"), [(NoJvm, ProgressSnapshot(2, 5, "tasks", 1)), (NoContext, None)])
def test_a_source_that_fails_is_replaced_by_the_next_one(session, snapshot):
    with snapshot_reader(session()) as read:
        assert [read(), read()] == [snapshot, snapshot]


def test_a_session_without_any_source_shows_nothing_and_runs_on(caplog, capfd):
    with caplog.at_level(logging.INFO), show_progress(NoContext(), "embed", live=False, every_s=0.01):
        time.sleep(0.1)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_live_line_is_kept_up_to_date_on_a_terminal(spark, slow, capsys):
    with show_progress(spark, "embed", live=True, every_s=0.1):
        slow(spark.range(0, 8, 1, 4)).write.format("noop").mode("overwrite").save()
    written = capsys.readouterr().err
    assert "embed" in written
    assert "/4 [" in written
    assert "failed_tasks=0" in written


def test_an_error_inside_the_block_is_raised(spark):
    with pytest.raises(ZeroDivisionError), show_progress(spark, "embed", live=False, every_s=0.1):
        raise ZeroDivisionError


@pytest.mark.parametrize("terminal", [True, False])
def test_spark_submits_own_output_decides_whether_a_terminal_is_seen(tmp_path, terminal):
    """spark-submit reads the driver's standard error through a pipe."""
    driver = "from bert_spark.runs.progress import _on_terminal; print(_on_terminal())"
    submit = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {driver!r}], capture_output=True))"
    main, end = os.openpty()
    variables = os.environ | {"PYSPARK_GATEWAY_PORT": "1", "PYTHONPATH": str(ROOT)}
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", submit], stdout=end if terminal else file, env=variables, check=True)
    printed = os.read(main, 10_000).decode() if terminal else (tmp_path / "out").read_text()
    assert f"stdout=b'{terminal}" in printed
