"""Choose the device of this process from the task's GPU address. CUDA is not touched before a GPU is asked for."""

from __future__ import annotations

import os

from bert_spark.errors import SetupError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_only_visible: str | None = None  # the one card this process shows to CUDA, once it has hidden the others
_visible_before: str | None = None  # CUDA_VISIBLE_DEVICES before that: what Spark's addresses count


def task_gpu_addresses() -> list[str] | None:
    """Return the GPU addresses Spark gave to the running task; None outside a task or where Spark gives none."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    resources = context.resources() if context is not None else {}
    return list(resources["gpu"].addresses) if "gpu" in resources else None


def cuda_index(address: str, visible: str | None) -> int:
    """Return the CUDA index of Spark's GPU `address` in a process that sees the cards `visible`.

    CUDA counts only the cards that CUDA_VISIBLE_DEVICES leaves. A number below their count is an index into that list
    already; anything else (a UUID, a card's own number after the list was narrowed) is looked for in it.

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
        When "cuda" is wanted and no card is visible to torch, or the task's address names no visible card.
    """
    if wanted == "cpu":
        return "cpu"
    import torch

    address = None if wanted.startswith("cuda:") else _task_gpu()
    alone = address is not None and _must_be_only_visible(address)
    if address is not None and alone:
        _make_only_visible(address)  # before anything asks CUDA: it reads the variable once
    if not torch.cuda.is_available():
        if wanted == "auto":
            return "cpu"
        raise SetupError(f"device={wanted!r} but torch sees no GPU here; set device='auto' or mend the driver")
    if wanted.startswith("cuda:"):
        return wanted
    if address is None or alone:
        return "cuda:0"
    return f"cuda:{cuda_index(address, os.environ.get(VISIBLE))}"


def _task_gpu() -> str | None:
    """Return the first GPU address of the task; one that is the index of a MIG slice as the slice's name."""
    address = next(iter(task_gpu_addresses() or []), None)
    listed = os.environ.get(VISIBLE) if _only_visible is None else _visible_before
    cards = [card.strip() for card in (listed or "").split(",")]
    if address is not None and address.isdigit() and int(address) < len(cards):
        return cards[int(address)] if cards[int(address)].startswith("MIG-") else address
    return address


def _must_be_only_visible(address: str) -> bool:
    """Tell whether CUDA has to be shown this card alone: a MIG slice, of which a process can use one, or a UUID that no
    list turns into an index. A process that shows one card alone has no other to count.
    """
    return (
        _only_visible is not None or address.startswith("MIG-") or (not address.isdigit() and VISIBLE not in os.environ)
    )


def _make_only_visible(address: str) -> None:
    global _only_visible, _visible_before
    if _only_visible == address:
        return
    if _only_visible is not None:
        raise SetupError(
            f"this worker process runs on GPU {_only_visible!r} and can't change to {address!r}: a process keeps its MIG "
            "slice or UUID; give each executor one GPU (spark.executor.resource.gpu.amount 1, see conf/gpu.conf)"
        )
    if VISIBLE in os.environ:
        cuda_index(address, os.environ[VISIBLE])  # refuses one that is not in the list
    _only_visible, _visible_before = address, os.environ.get(VISIBLE)
    os.environ[VISIBLE] = address


def check_no_tf32_override() -> None:
    """Refuse a machine whose driver library is told to round float32: torch can't tell it otherwise.

    Raises
    ------
    SetupError
        When NVIDIA_TF32_OVERRIDE is 1.
    """
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "1":
        raise SetupError(
            "NVIDIA_TF32_OVERRIDE=1 rounds float32 to TF32, which moves vectors by about 1e-3; unset it, or set "
            "precision to float16 or bfloat16"
        )
