"""Show the progress of a run: one live line on a terminal, elsewhere a line in the log every minute.

Rows and tasks are counted by Spark itself. No text of the data is shown.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from tqdm import tqdm

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

LIVE_INTERVAL_S = 1.0
LOG_INTERVAL_S = 60.0
_TIMEOUT_S = 5.0


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


@contextmanager
def show_progress(
    spark: SparkSession, job: str, *, live: bool | None = None, every_s: float | None = None
) -> Iterator[None]:
    """Show the progress of Spark's work while the block runs.

    Parameters
    ----------
    spark
        The session that does the work.
    job
        Name at the beginning of the line.
    live
        Whether to keep one line up to date instead of logging; by default if the output is seen on a terminal.
    every_s
        Seconds between two updates; by default 1 for a live line and 60 for the log.
    """
    live = _on_terminal() if live is None else live
    interval_s = every_s or (LIVE_INTERVAL_S if live else LOG_INTERVAL_S)
    ended = threading.Event()
    with _snapshot_reader(spark) as read_snapshot:
        show = _live_line(job) if live else _log_line(job)
        thread = threading.Thread(
            target=_update, args=(read_snapshot, show, ended, interval_s), name="bert_spark progress", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(2 * _TIMEOUT_S)
            show(None)


def _on_terminal() -> bool:
    """Tell whether standard error is seen on a terminal.

    If spark-submit started this process, it reads standard error and writes it to its own standard output.
    """
    if sys.stderr.isatty() or "PYSPARK_GATEWAY_PORT" not in os.environ:
        return sys.stderr.isatty()
    try:
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:  # not Linux
        return False


def _update(
    read_snapshot: Callable[[], ProgressSnapshot | None],
    show: Callable[[ProgressSnapshot | None], None],
    ended: threading.Event,
    interval_s: float,
) -> None:
    while not ended.wait(interval_s):
        snapshot = read_snapshot()
        if snapshot is not None:
            show(snapshot)


@contextmanager
def _snapshot_reader(spark: SparkSession) -> Iterator[Callable[[], ProgressSnapshot | None]]:
    """Yield a function that returns the current progress, from what this kind of session offers."""
    if "connect" in type(spark).__module__:
        connect: Any = spark  # its stubs ask for a ProgressHandler, but any callable works
        latest: list[ProgressSnapshot] = []

        def handler(**facts: Any) -> None:
            running = [stage for stage in facts.get("stages") or [] if not stage.done]
            if running:
                total = sum(stage.num_tasks for stage in running)
                latest[:] = [
                    ProgressSnapshot(sum(stage.num_completed_tasks for stage in running), total, "tasks", "unknown")
                ]

        connect.registerProgressHandler(handler)
        try:
            yield lambda: latest[-1] if latest else None
        finally:
            connect.removeProgressHandler(handler)
        return
    context = getattr(spark, "sparkContext", None)  # a classic session has one
    yield lambda: _classic_snapshot(context) if context is not None else None


def _classic_snapshot(context: Any) -> ProgressSnapshot | None:
    page = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages"
    try:
        with urlopen(page, timeout=_TIMEOUT_S) as response:
            return snapshot_of_stages(json.load(response))
    except (OSError, ValueError):  # Spark's web pages are off, or behind a proxy or a login
        return _task_snapshot(context.statusTracker())


def _task_snapshot(tracker: Any) -> ProgressSnapshot | None:
    stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
    stages = [stage for stage in stages if stage is not None]
    if not stages:
        return None
    done, total, failed = (
        sum(getattr(stage, name) for stage in stages) for name in ("numCompletedTasks", "numTasks", "numFailedTasks")
    )
    return ProgressSnapshot(done, total, "tasks", failed)


def snapshot_of_stages(stages: list[dict[str, Any]]) -> ProgressSnapshot | None:
    """Return how many rows the stage that runs BERT has read, and how many the stage before it has spread over tasks.

    Parameters
    ----------
    stages
        Spark's stages, as its monitoring API lists them.

    Returns
    -------
    ProgressSnapshot or None
        Rows of the newest active stage, or its tasks if no stage before it shuffled rows; None if no stage is active.
    """
    active = [stage for stage in stages if stage["status"] == "ACTIVE"]
    if not active:
        return None
    current = max(active, key=_stage_number)
    shuffled = [
        stage
        for stage in stages
        if stage["status"] == "COMPLETE" and stage["stageId"] < current["stageId"] and stage["shuffleWriteRecords"]
    ]
    if not shuffled:
        return ProgressSnapshot(current["numCompleteTasks"], current["numTasks"], "tasks", current["numFailedTasks"])
    total = max(shuffled, key=_stage_number)["shuffleWriteRecords"]
    # A repeated task reads its rows twice.
    return ProgressSnapshot(min(current["shuffleReadRecords"], total), total, "rows", current["numFailedTasks"])


def _stage_number(stage: dict[str, Any]) -> int:
    return int(stage["stageId"])


def _live_line(job: str) -> Callable[[ProgressSnapshot | None], None]:
    """Return a function that updates one line; None closes it."""
    bar: tqdm[Any] = tqdm(desc=job, unit=" rows", file=sys.stderr, dynamic_ncols=True, leave=False)

    def show(snapshot: ProgressSnapshot | None) -> None:
        if snapshot is None:
            bar.close()
            return
        bar.unit = f" {snapshot.unit}"
        if snapshot.total != bar.total or snapshot.done < bar.n:  # the next stage or micro-batch has begun
            bar.reset(snapshot.total)
        bar.n = snapshot.done
        bar.set_postfix(failed_tasks=snapshot.failed_tasks)

    return show


def _log_line(job: str) -> Callable[[ProgressSnapshot | None], None]:
    """Return a function that logs one line for each snapshot; None is ignored."""
    first: list[tuple[float, ProgressSnapshot]] = []  # the first snapshot of the stage or micro-batch, with its time

    def show(snapshot: ProgressSnapshot | None) -> None:
        if snapshot is None:
            return
        now = time.monotonic()
        if not first or first[0][1].total != snapshot.total or snapshot.done < first[0][1].done:
            first[:] = [(now, snapshot)]
        since, begun = first[0]
        speed = (snapshot.done - begun.done) / (now - since) if now > since else 0.0
        time_left = f"{(snapshot.total - snapshot.done) / speed / 60:.0f} min left" if speed else "time left unknown"
        logger.info(
            "%s: %s of %s %s, %s %s/s, %s, %s failed tasks",
            job,
            f"{snapshot.done:,}",
            f"{snapshot.total:,}",
            snapshot.unit,
            f"{speed:,.0f}",
            snapshot.unit,
            time_left,
            snapshot.failed_tasks,
        )

    return show
