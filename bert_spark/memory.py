"""Check before any work that a matrix of vectors fits into this machine's memory."""

from __future__ import annotations

import os

from bert_spark.errors import DataError

# 1 for the matrix, 1 for the Arrow batches it is filled from, 2 for the float64 copy that a linear classifier fits on.
COPIES = 4


def check_fits(rows: int, width: int, available: int | None = None, copies: int = COPIES) -> None:
    """Raise DataError if the free memory cannot hold a matrix and its copies.

    Parameters
    ----------
    rows, width
        Shape of the float32 matrix.
    available
        Free memory in bytes; by default what the machine has now.
    copies
        Peak memory of the work, as a multiple of the matrix.

    Raises
    ------
    DataError
        If the matrix does not fit. The message holds the arithmetic and what to change.
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
    """Return the free memory of this machine in bytes, page cache included."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            sizes = {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
        return sizes["MemAvailable"]
    except (OSError, KeyError):
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2
