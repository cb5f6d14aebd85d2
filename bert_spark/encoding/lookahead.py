"""Work on the next item in a thread while the caller uses the last result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_ahead(thread: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield work(item) of each item in turn, while the thread already works on the next item."""
    previous: Future[Result] | None = None
    for item in items:
        current = thread.submit(work, item)
        if previous is not None:
            yield previous.result()
        previous = current
    if previous is not None:
        yield previous.result()
