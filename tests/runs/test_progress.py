"""How far a run is: rows of the stage that runs BERT where Spark tells them, else tasks; in the log, or live."""

import logging
import os
import subprocess
import sys
import time

import pytest

from bert_spark.runs.progress import ProgressSnapshot, show_progress, snapshot_of_stages
from tests.support.paths import ROOT


def stage(number, status, **more):
    counts = dict.fromkeys(
        ("numTasks", "numCompleteTasks", "numFailedTasks", "shuffleReadRecords", "shuffleWriteRecords"), 0
    )
    return {"stageId": number, "status": status} | counts | more


def test_rows_are_those_the_running_stage_has_taken_of_those_that_were_spread():
    stages = [
        stage(3, "ACTIVE", shuffleReadRecords=30, numTasks=4, numFailedTasks=1),
        stage(2, "SKIPPED", shuffleWriteRecords=9),
        stage(1, "COMPLETE", shuffleWriteRecords=120),
        stage(0, "COMPLETE", shuffleWriteRecords=7),
    ]
    assert snapshot_of_stages(stages) == ProgressSnapshot(30, 120, "rows", 1)


@pytest.mark.parametrize(
    ("stages", "seen"),
    [
        ([], None),
        ([stage(0, "COMPLETE")], None),
        ([stage(0, "ACTIVE", numTasks=5, numCompleteTasks=2)], ProgressSnapshot(2, 5, "tasks", 0)),
        (
            [stage(0, "COMPLETE", shuffleWriteRecords=8), stage(1, "ACTIVE", shuffleReadRecords=16)],
            ProgressSnapshot(8, 8, "rows", 0),
        ),
    ],
)
def test_tasks_are_shown_before_rows_are_known_and_a_row_read_twice_counts_once(stages, seen):
    assert snapshot_of_stages(stages) == seen


@pytest.fixture
def slow(spark):
    """Return a frame of four tasks that take a while each."""
    from pyspark.sql import functions as F

    @F.udf("int")
    def wait(number):
        time.sleep(0.4)
        return number

    return spark.range(0, 8, 1, 4).select(wait("id"))


def test_a_log_line_tells_tasks_done_and_holds_no_data(spark, slow, caplog):
    with caplog.at_level(logging.INFO), show_progress(spark, "embed", live=False, every_s=0.1):
        slow.write.format("noop").mode("overwrite").save()
    lines = [record.getMessage() for record in caplog.records if record.name == "bert_spark.runs.progress"]
    assert any(line.startswith("embed: ") and " of 4 tasks, " in line for line in lines)
    assert all(line.endswith("0 failed tasks") for line in lines)


def test_a_live_line_is_kept_up_to_date_on_a_terminal(spark, slow, capsys):
    with show_progress(spark, "embed", live=True, every_s=0.1):
        slow.write.format("noop").mode("overwrite").save()
    written = capsys.readouterr().err
    assert "embed" in written
    assert "/4 [" in written
    assert "failed_tasks=0" in written


def test_an_error_of_the_work_comes_through(spark):
    with pytest.raises(ZeroDivisionError), show_progress(spark, "embed", live=False, every_s=0.1):
        raise ZeroDivisionError


@pytest.mark.parametrize("terminal", [True, False])
def test_spark_submit_hands_the_line_on_to_its_own_terminal(tmp_path, terminal):
    """It reads the driver's standard error through a pipe."""
    driver = "from bert_spark.runs.progress import _on_terminal; print(_on_terminal())"
    submit = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {driver!r}], capture_output=True))"
    main, end = os.openpty()
    variables = os.environ | {"PYSPARK_GATEWAY_PORT": "1", "PYTHONPATH": str(ROOT)}
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", submit], stdout=end if terminal else file, env=variables, check=True)
    printed = os.read(main, 10_000).decode() if terminal else (tmp_path / "out").read_text()
    assert f"stdout=b'{terminal}" in printed
