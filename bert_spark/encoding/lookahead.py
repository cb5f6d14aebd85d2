"""Work on the next item in a thread while the caller uses the last result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def run_ahead(thread: ThreadPoolExecutor, work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Give work(item) of each item in turn; the next item's is under way in the thread meanwhile."""
    before: Future[B] | None = None
    for item in items:
        coming = thread.submit(work, item)
        if before is not None:
            yield before.result()
        before = coming
    if before is not None:
        yield before.result()
