"""Seconds by the name of the step they went into."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds by the name of the step they went into.

    Parameters
    ----------
    seconds
        Steps that were timed before.
    """

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time the block under the name `step`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - start, 1)
