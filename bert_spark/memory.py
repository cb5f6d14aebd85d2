"""Does a matrix of vectors fit into this machine's memory: refused with the arithmetic before any work."""

from __future__ import annotations

import os

from bert_spark.errors import DataError

# The matrix, the Arrow batches it is filled from, and the copy in float64 that a linear classifier fits on.
COPIES = 4


def check_fits(rows: int, width: int, available: int | None = None, copies: int = COPIES) -> None:
    """Refuse a matrix this process can't hold, before any work.

    Parameters
    ----------
    rows, width
        Of the float32 matrix.
    available
        Free bytes; by default what the machine has now.
    copies
        How many times its size the work on it takes.

    Raises
    ------
    DataError
        With the arithmetic and what to change.
    """
    available = available_bytes() if available is None else available
    needed = rows * width * 4 * copies
    if needed > available:
        fit = available // (width * 4 * copies)
        raise DataError(
            f"{rows:,} rows x {width} numbers x 4 bytes x {copies} (the matrix and its copies) = "
            f"{needed / 1e9:.1f} GB; the driver has {available / 1e9:.1f} GB: take about {fit:,} rows (--max-rows), "
            "a pooling of fewer numbers (cls or mean in place of flatten), or a larger driver"
        )


def available_bytes() -> int:
    """Return the memory that is free on this machine, page cache included, in bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
        return found["MemAvailable"]
    except (OSError, KeyError):
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2
