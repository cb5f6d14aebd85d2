"""Measure how many seconds each step of a run takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds by the name of the step.

    Parameters
    ----------
    seconds
        Name -> seconds, of steps that were timed before.

    Attributes
    ----------
    seconds
        Name -> seconds, rounded to 0.1.
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
