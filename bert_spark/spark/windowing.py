"""Group Arrow batches into windows, the rows that are looked at together. Knows nothing of Spark and of encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

WINDOW_BYTES = 32 << 20  # text of one window at most, so that a window of huge texts takes bounded memory
Window = tuple[pa.Array, ...]  # the UDF's columns over the same rows


def group_into_windows(batches: Iterable[Window], rows: int) -> Iterator[list[Window]]:
    """Group Arrow batches into windows of about `rows` rows and WINDOW_BYTES of text; no row is lost or moved."""
    window: list[Window] = []
    held = size = 0
    for batch in _split_large_batches(batches):
        if window and (held + len(batch[0]) > rows or size + batch[0].nbytes > WINDOW_BYTES):
            yield window
            window, held, size = [], 0, 0
        window.append(batch)
        held += len(batch[0])
        size += batch[0].nbytes
    if window:
        yield window


def _split_large_batches(batches: Iterable[Window]) -> Iterator[Window]:
    """Cut batches of more than WINDOW_BYTES of text: Spark 3.5 bounds a batch by its rows only. Never copies."""
    for batch in batches:
        rows = len(batch[0])
        step = max(1, rows // (batch[0].nbytes // WINDOW_BYTES + 1))
        yield from (tuple(part.slice(start, step) for part in batch) for start in range(0, max(rows, 1), step))
