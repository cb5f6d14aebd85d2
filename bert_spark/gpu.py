"""Which device does this process own? Decided where the encoder runs, from the task's own GPU address. Never touches
CUDA before it is asked for a GPU, so that a forked worker can still start it."""

from __future__ import annotations

import os

from bert_spark.errors import SetupError


def task_addresses() -> list[str] | None:
    """Return the GPU addresses Spark gave to the running task; None outside a task or where Spark gives none."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    resources = context.resources() if context is not None else {}
    return list(resources["gpu"].addresses) if "gpu" in resources else None


def task_cpus() -> int | None:
    """Return the number of CPUs Spark gave to the running task; None outside a task."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    return context.cpus() if context is not None else None


def visible_index(address: str, visible: str | None) -> int:
    """Return the CUDA index of Spark's GPU `address` in a process that sees the cards `visible`.

    CUDA counts only the cards that CUDA_VISIBLE_DEVICES leaves. A number below their count is an index into that list
    already; anything else (a UUID, a MIG name, a card's own number after the list was narrowed) is looked for in it.

    Raises
    ------
    SetupError
        When the address names no visible card.
    """
    cards = [card.strip() for card in visible.split(",") if card.strip()] if visible is not None else None
    if cards is None:
        if address.isdigit():
            return int(address)
        raise SetupError(f"GPU address {address!r} is no number; set CUDA_VISIBLE_DEVICES to the UUIDs Spark names")
    if address.isdigit() and int(address) < len(cards):
        return int(address)
    if address in cards:
        return cards.index(address)
    raise SetupError(f"GPU address {address!r} is not among CUDA_VISIBLE_DEVICES={visible!r}; make the two agree")


def pick_device(wanted: str = "auto") -> str:
    """Return the torch device for this process: "cpu" or "cuda:N".

    Parameters
    ----------
    wanted
        "auto", "cpu", "cuda" or "cuda:N". "auto" takes the task's GPU where there is one, else the CPU.

    Raises
    ------
    SetupError
        When "cuda" is wanted and no card is visible to torch.
    """
    if wanted == "cpu":
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        if wanted == "auto":
            return "cpu"
        raise SetupError(f"device={wanted!r} but torch sees no GPU here; set device='auto' or mend the driver")
    if wanted.startswith("cuda:"):
        return wanted
    addresses = task_addresses()
    if addresses:
        return f"cuda:{visible_index(addresses[0], os.environ.get('CUDA_VISIBLE_DEVICES'))}"
    return "cuda:0"
