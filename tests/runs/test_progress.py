"""Progress in rows if Spark reports them, otherwise in tasks; as one live line, or in the log."""

import logging
import os
import subprocess
import sys
import time

import pytest

from bert_spark.runs.progress import ProgressSnapshot, show_progress, snapshot_of_stages
from tests.support.paths import ROOT


def stage(number, status, **counts):
    zeros = dict.fromkeys(
        ("numTasks", "numCompleteTasks", "numFailedTasks", "shuffleReadRecords", "shuffleWriteRecords"), 0
    )
    return {"stageId": number, "status": status} | zeros | counts


def test_rows_done_come_from_the_active_stage_and_the_total_from_the_shuffle_before():
    stages = [
        stage(3, "ACTIVE", shuffleReadRecords=30, numTasks=4, numFailedTasks=1),
        stage(2, "SKIPPED", shuffleWriteRecords=9),
        stage(1, "COMPLETE", shuffleWriteRecords=120),
        stage(0, "COMPLETE", shuffleWriteRecords=7),
    ]
    assert snapshot_of_stages(stages) == ProgressSnapshot(30, 120, "rows", 1)


@pytest.mark.parametrize(
    ("stages", "snapshot"),
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
def test_tasks_are_shown_until_rows_are_known_and_rows_never_exceed_the_total(stages, snapshot):
    assert snapshot_of_stages(stages) == snapshot


@pytest.fixture
def slow(spark):
    """Return a DataFrame of four tasks, each of which takes 0.8 s."""
    from pyspark.sql import functions as F

    @F.udf("int")
    def wait(number):
        time.sleep(0.4)
        return number

    return spark.range(0, 8, 1, 4).select(wait("id"))


def test_log_lines_count_tasks(spark, slow, caplog):
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
