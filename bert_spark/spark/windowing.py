"""Group Arrow batches into windows: rows that are encoded together. Knows nothing of Spark or encoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

WINDOW_BYTES = 32 << 20  # most bytes of text in a window, so that a window of huge texts takes bounded memory
Window = tuple[pa.Array, ...]  # the columns that the UDF receives, the text first, over the same rows


def group_into_windows(batches: Iterable[Window], rows: int) -> Iterator[list[Window]]:
    """Group Arrow batches into windows of about `rows` rows and at most WINDOW_BYTES of text.

    Every row stays, in its order. A single text may be larger than WINDOW_BYTES.
    """
    window: list[Window] = []
    window_rows = window_bytes = 0
    for batch in _split_large_batches(batches):
        text = batch[0]
        if window and (window_rows + len(text) > rows or window_bytes + text.nbytes > WINDOW_BYTES):
            yield window
            window, window_rows, window_bytes = [], 0, 0
        window.append(batch)
        window_rows += len(text)
        window_bytes += text.nbytes
    if window:
        yield window


def _split_large_batches(batches: Iterable[Window]) -> Iterator[Window]:
    """Split batches of more than WINDOW_BYTES of text, without a copy: Spark 3.5 limits a batch by its rows only."""
    for batch in batches:
        rows = len(batch[0])
        step = max(1, rows // (batch[0].nbytes // WINDOW_BYTES + 1))
        yield from (tuple(part.slice(start, step) for part in batch) for start in range(0, max(rows, 1), step))
