"""How far a run is: one live line on a terminal, elsewhere a line in the log every minute. Numbers are Spark's own, of
rows and tasks; no text of the data is in them."""

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
    """What was done of the work in hand: of rows where Spark tells them, else of tasks."""

    done: int
    total: int
    unit: str
    failed_tasks: int | str = 0


@contextmanager
def show_progress(
    spark: SparkSession, job: str, *, live: bool | None = None, every_s: float | None = None
) -> Iterator[None]:
    """Show how far Spark is while the block runs.

    Parameters
    ----------
    spark
        The session that does the work.
    job
        Name in front of the line.
    live
        Whether to keep one line up to date; by default on a terminal.
    every_s
        Seconds between two looks.
    """
    live = _on_terminal() if live is None else live
    every = every_s or (LIVE_INTERVAL_S if live else LOG_INTERVAL_S)
    ended = threading.Event()
    with _progress_source(spark) as look:
        show = _live_line(job) if live else _log_line(job)
        thread = threading.Thread(
            target=_watch, args=(look, show, ended, every), name="bert_spark progress", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(2 * _TIMEOUT_S)
            show(None)


def _on_terminal() -> bool:
    """Tell whether what is written to standard error is seen on a terminal: spark-submit, where it has started this
    process, reads it and hands it on to its own output.
    """
    if sys.stderr.isatty() or "PYSPARK_GATEWAY_PORT" not in os.environ:
        return sys.stderr.isatty()
    try:
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:  # no Linux
        return False


def _watch(
    look: Callable[[], ProgressSnapshot | None],
    show: Callable[[ProgressSnapshot | None], None],
    ended: threading.Event,
    every_s: float,
) -> None:
    while not ended.wait(every_s):
        seen = look()
        if seen is not None:
            show(seen)


@contextmanager
def _progress_source(spark: SparkSession) -> Iterator[Callable[[], ProgressSnapshot | None]]:
    """Give a function that tells how far Spark is, by whatever this kind of session offers."""
    if "connect" in type(spark).__module__:
        connect: Any = spark  # any callable will do, whatever its stubs say
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
    context = getattr(spark, "sparkContext", None)  # of a classic session; Connect has been dealt with
    yield lambda: _classic_snapshot(context) if context is not None else None


def _classic_snapshot(context: Any) -> ProgressSnapshot | None:
    page = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages"
    try:
        with urlopen(page, timeout=_TIMEOUT_S) as answer:
            return snapshot_of_stages(json.load(answer))
    except (OSError, ValueError):  # no pages, or none that are served to this process: behind a proxy or a login
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
    """Return how many rows the stage that runs BERT has taken, of how many the stage before it has spread.

    Parameters
    ----------
    stages
        As Spark's monitoring API lists them.
    """
    active = [stage for stage in stages if stage["status"] == "ACTIVE"]
    if not active:
        return None
    now = max(active, key=lambda stage: int(stage["stageId"]))
    before = [
        s for s in stages if s["status"] == "COMPLETE" and s["stageId"] < now["stageId"] and s["shuffleWriteRecords"]
    ]
    if not before:
        return ProgressSnapshot(now["numCompleteTasks"], now["numTasks"], "tasks", now["numFailedTasks"])
    total = max(before, key=lambda stage: int(stage["stageId"]))["shuffleWriteRecords"]
    return ProgressSnapshot(min(now["shuffleReadRecords"], total), total, "rows", now["numFailedTasks"])


def _live_line(job: str) -> Callable[[ProgressSnapshot | None], None]:
    bar: tqdm[Any] = tqdm(desc=job, unit=" rows", file=sys.stderr, dynamic_ncols=True, leave=False)

    def show(seen: ProgressSnapshot | None) -> None:
        if seen is None:
            bar.close()
            return
        bar.unit = f" {seen.unit}"
        if seen.total != bar.total or seen.done < bar.n:  # the next stage, or micro-batch
            bar.reset(seen.total)
        bar.n = seen.done
        bar.set_postfix(failed_tasks=seen.failed_tasks)

    return show


def _log_line(job: str) -> Callable[[ProgressSnapshot | None], None]:
    began: list[tuple[float, ProgressSnapshot]] = []

    def show(seen: ProgressSnapshot | None) -> None:
        if seen is None:
            return
        now = time.monotonic()
        if not began or began[0][1].total != seen.total or seen.done < began[0][1].done:
            began[:] = [(now, seen)]
        (since, first), done = began[0], seen.done
        speed = (done - first.done) / (now - since) if now > since else 0.0
        left = f"{(seen.total - done) / speed / 60:.0f} min left" if speed else "time left unknown"
        facts = (job, f"{done:,}", f"{seen.total:,}", seen.unit, f"{speed:,.0f}", seen.unit, left, seen.failed_tasks)
        logger.info("%s: %s of %s %s, %s %s/s, %s, %s failed tasks", *facts)

    return show
