"""Read how much of Spark's current work is done, from the lightest source that the session offers.

A classic session is asked for the counts that it keeps in memory: the stages that run now, without their tasks. That
takes milliseconds however many tasks there are, and needs no web page of Spark. A source that fails counts as one that
knows nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

# The rows were spread a few stages before the one that reads them: stages that Spark skips have numbers as well.
_STAGES_BEFORE = 10


@dataclass(frozen=True)
class ProgressSnapshot:
    """How much of the current work is done, in rows if Spark reports them, otherwise in tasks.

    Parameters
    ----------
    done, total
        Units of work.
    unit
        "rows" or "tasks".
    failed_tasks
        Number of failed tasks; "unknown" on Spark Connect.
    """

    done: int
    total: int
    unit: str
    failed_tasks: int | str = 0


SnapshotReader = Callable[[], ProgressSnapshot | None]


@contextmanager
def snapshot_reader(spark: SparkSession) -> Iterator[SnapshotReader]:
    """Yield a function that returns the current progress; None if no work is done or nothing is known of it."""
    if "connect" in type(spark).__module__:
        with _connect_reader(spark) as read:
            yield read
        return
    yield _first_that_works(_stage_reader(spark), _task_reader(spark))


def _first_that_works(*readers: SnapshotReader) -> SnapshotReader:
    """Return a function that asks the first reader, and for good the next one once a reader fails."""
    working = list(readers)

    def read() -> ProgressSnapshot | None:
        while working:
            try:
                return working[0]()
            except Exception as err:  # of py4j, of Java, or of a platform that hides Spark's internals
                logger.debug("progress: %s", err)
                del working[0]
        return None

    return read


def _stage_reader(spark: SparkSession) -> SnapshotReader:
    """Return a function that counts the rows that the newest running stage has read, or its tasks."""
    total_rows: dict[int, int] = {}  # number of the stage -> rows that were spread for it

    def read() -> ProgressSnapshot | None:
        context: Any = spark.sparkContext
        store = context._jsc.sc().statusStore()
        active = store.activeStages()
        if active.isEmpty():
            return None
        stage = max((active.apply(i) for i in range(active.size())), key=lambda stage: stage.stageId())
        number = stage.stageId()
        if number not in total_rows:
            reads_a_shuffle = len(_stages_of_job(context.statusTracker(), number)) > 1
            total_rows[number] = _rows_spread_before(store, number) if reads_a_shuffle else 0
        return snapshot_of_stage(
            rows=stage.shuffleReadRecords(),
            total_rows=total_rows[number],
            tasks=stage.numCompleteTasks(),
            total_tasks=stage.numTasks(),
            failed_tasks=stage.numFailedTasks(),
        )

    return read


def _stages_of_job(tracker: Any, number: int) -> list[int]:
    """Return the numbers of the stages of the job that a stage belongs to, those that Spark skips included."""
    jobs = [job for identifier in tracker.getActiveJobsIds() if (job := tracker.getJobInfo(identifier))]
    return next((list(job.stageIds) for job in jobs if number in job.stageIds), [])


def _rows_spread_before(store: Any, number: int) -> int:
    """Return how many rows the last complete stage before this one has spread over tasks; 0 if none has."""
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

    for earlier in range(number - 1, max(-1, number - 1 - _STAGES_BEFORE), -1):
        try:
            stage = store.lastStageAttempt(earlier)
        except Py4JJavaError:  # Spark has forgotten it, or never ran it
            continue
        if stage.status().toString() == "COMPLETE" and stage.shuffleWriteRecords():
            return int(stage.shuffleWriteRecords())
    return 0


def snapshot_of_stage(
    *, rows: int, total_rows: int, tasks: int, total_tasks: int, failed_tasks: int
) -> ProgressSnapshot:
    """Return the progress of a stage: in rows if their total is known, otherwise in tasks.

    Parameters
    ----------
    rows, total_rows
        Rows that the stage has read, and rows that were spread for it; 0 if none were. A repeated task reads its rows
        twice.
    tasks, total_tasks, failed_tasks
        Of the stage.
    """
    if total_rows:
        return ProgressSnapshot(min(rows, total_rows), total_rows, "rows", failed_tasks)
    return ProgressSnapshot(tasks, total_tasks, "tasks", failed_tasks)


def _task_reader(spark: SparkSession) -> SnapshotReader:
    """Return a function that counts the tasks of all running stages, with Spark's public interface alone."""

    def read() -> ProgressSnapshot | None:
        tracker = spark.sparkContext.statusTracker()
        stages = [stage for number in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(number))]
        if not stages:
            return None
        done, total, failed = (
            sum(getattr(stage, name) for stage in stages)
            for name in ("numCompletedTasks", "numTasks", "numFailedTasks")
        )
        return ProgressSnapshot(done, total, "tasks", failed)

    return read


@contextmanager
def _connect_reader(spark: Any) -> Iterator[SnapshotReader]:
    """Yield a function that returns the counts of tasks that the server sent last."""
    latest: list[ProgressSnapshot] = []

    def handler(**facts: Any) -> None:
        running = [stage for stage in facts.get("stages") or [] if not stage.done]
        if running:
            total = sum(stage.num_tasks for stage in running)
            latest[:] = [
                ProgressSnapshot(sum(stage.num_completed_tasks for stage in running), total, "tasks", "unknown")
            ]

    spark.registerProgressHandler(handler)
    try:
        yield lambda: latest[-1] if latest else None
    finally:
        spark.removeProgressHandler(handler)
