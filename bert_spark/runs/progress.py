"""Show the progress of a run: one live line on a terminal, elsewhere a line in the log every minute.

Rows and tasks are counted by Spark itself. No text of the data is shown.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from bert_spark.runs.progress_source import ProgressSnapshot, SnapshotReader, snapshot_reader

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

LIVE_INTERVAL_S = 1.0
LOG_INTERVAL_S = 60.0
_LAST_UPDATE_S = 5.0  # how long a run waits at its end for an update that has begun


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
    with snapshot_reader(spark) as read_snapshot:
        show = _live_line(job) if live else _log_line(job)
        thread = threading.Thread(
            target=_update, args=(read_snapshot, show, ended, interval_s), name="bert_spark progress", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(_LAST_UPDATE_S)
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
    read_snapshot: SnapshotReader,
    show: Callable[[ProgressSnapshot | None], None],
    ended: threading.Event,
    interval_s: float,
) -> None:
    while not ended.wait(interval_s):
        snapshot = read_snapshot()
        if snapshot is not None:
            show(snapshot)


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
