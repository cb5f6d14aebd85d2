"""Check before any work that a matrix of vectors fits into the memory that this process can take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bert_spark.errors import DataError

# 1 for the matrix, 1 for the Arrow batches it is filled from, 2 for the float64 copy that a linear classifier fits on.
COPIES = 4
# Controllers of a control group -> its folder, and its files of the limit and of what is taken. Of that, the cache of
# files in memory.stat is given back when memory is needed. The first is version 2 (docs.kernel.org, cgroup-v2).
_GROUP_FILES = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


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


def available_bytes(root: Path = Path("/")) -> int:
    """Return the memory in bytes that this process can still take, page cache included.

    It is the least of what the machine has free, and of what each of the process's control groups, such as a
    container's, may still take.

    Parameters
    ----------
    root
        Folder that holds `proc` and `sys`.
    """
    return min([_machine_bytes(root), *_group_bytes(root)])


def _machine_bytes(root: Path) -> int:
    try:
        return _numbers(root / "proc" / "meminfo", separator=":")["MemAvailable"] * 1024
    except (OSError, KeyError):
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2


def _group_bytes(root: Path) -> Iterator[int]:
    """Yield what each control group with a limit may still take: that of the process, and all above it."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in _GROUP_FILES:
            continue
        folder, limit, used, cache = _GROUP_FILES[controllers]
        parts = PurePosixPath(path).parts[1:]
        for depth in range(len(parts), -1, -1):  # inside a container the group's own path may not be mounted
            group = root.joinpath(folder, *parts[:depth])
            try:
                most, taken = int((group / limit).read_text()), int((group / used).read_text())
                yield max(0, most - taken + _numbers(group / "memory.stat")[cache])
            except (OSError, ValueError, KeyError):
                continue  # no such group, or no limit: "max"


def _numbers(path: Path, separator: str | None = None) -> dict[str, int]:
    """Return the numbers of a file of lines such as "name 12" or "name: 12 kB"."""
    lines = (line.split(separator, 1) for line in path.read_text(encoding="ascii").splitlines())
    return {name: int(rest.split()[0]) for name, rest in lines}
