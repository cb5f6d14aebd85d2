"""Choose the device of this process from the task's GPU address. Does not touch CUDA unless a GPU may be used."""

from __future__ import annotations

import glob
import os
import sys

from bert_spark.errors import SetupError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_GPU_FILES = ("/dev/nvidia*", "/dev/nvmap", "/dev/dxg", "/dev/kfd")  # NVIDIA, its Tegra, Windows' WSL, AMD
_only_visible: str | None = None  # the only card that CUDA may see, once this process has hidden the others
_visible_before: str | None = None  # CUDA_VISIBLE_DEVICES before that; Spark's addresses refer to this list


def task_gpu_addresses() -> list[str] | None:
    """Return the GPU addresses that Spark gave to the running task. None outside a task, or if Spark gave none."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    resources = context.resources() if context is not None else {}
    return list(resources["gpu"].addresses) if "gpu" in resources else None


def cuda_index(address: str, visible: str | None) -> int:
    """Return the CUDA index of Spark's GPU `address` in a process that sees the cards `visible`.

    CUDA counts only the cards in CUDA_VISIBLE_DEVICES. A number below their count is already an index into that list.
    Any other address is looked up in the list: a UUID, or a card's own number after the list was narrowed.

    Raises
    ------
    SetupError
        If the address does not name a visible card.
    """
    cards = [card.strip() for card in visible.split(",") if card.strip()] if visible is not None else None
    if cards is None:
        if address.isdigit():
            return int(address)
        raise SetupError(f"GPU address {address!r} is not a number; set CUDA_VISIBLE_DEVICES to the UUIDs Spark names")
    if address.isdigit() and int(address) < len(cards):
        return int(address)
    if address in cards:
        return cards.index(address)
    raise SetupError(f"GPU address {address!r} is not among CUDA_VISIBLE_DEVICES={visible!r}; make the two agree")


def pick_device(requested: str = "auto") -> str:
    """Return the torch device for this process: "cpu" or "cuda:N".

    Parameters
    ----------
    requested
        "auto", "cpu", "cuda" or "cuda:N". "auto" takes the task's GPU if there is one, else the CPU.

    Raises
    ------
    SetupError
        If "cuda" is requested and torch sees no card, or the task's address does not name a visible card.
    """
    if requested == "cpu":
        return "cpu"
    import torch

    address = None if requested.startswith("cuda:") else _task_gpu()
    hides_others = address is not None and _must_be_only_visible(address)
    if address is not None and hides_others:
        _make_only_visible(address)  # before any call of CUDA, which reads the variable once
    if not torch.cuda.is_available():
        if requested == "auto":
            return "cpu"
        raise SetupError(f"device={requested!r} but torch sees no GPU here; set device='auto' or repair the driver")
    if requested.startswith("cuda:"):
        return requested
    if address is None or hides_others:
        return "cuda:0"
    return f"cuda:{cuda_index(address, os.environ.get(VISIBLE))}"


def _task_gpu() -> str | None:
    """Return the first GPU address of the task. An index that points to a MIG slice becomes the slice's name."""
    address = next(iter(task_gpu_addresses() or []), None)
    visible = os.environ.get(VISIBLE) if _only_visible is None else _visible_before
    cards = [card.strip() for card in (visible or "").split(",")]
    if address is not None and address.isdigit() and int(address) < len(cards):
        return cards[int(address)] if cards[int(address)].startswith("MIG-") else address
    return address


def _must_be_only_visible(address: str) -> bool:
    """Tell whether CUDA must see this card alone.

    True for a MIG slice, since a process can use only one, and for a UUID without a list that would make it an index.
    Also true once this process has hidden the other cards.
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
            f"this worker process runs on GPU {_only_visible!r} and can't change to {address!r}: a process keeps its "
            "MIG slice or UUID; give each executor one GPU (spark.executor.resource.gpu.amount 1, see conf/gpu.conf)"
        )
    if VISIBLE in os.environ:
        cuda_index(address, os.environ[VISIBLE])  # raises if the card is not in the list
    _only_visible, _visible_before = address, os.environ.get(VISIBLE)
    os.environ[VISIBLE] = address


def may_have_gpu() -> bool:
    """Tell whether this machine may have a GPU, without torch: on Linux a driver shows each GPU as a device file."""
    return not sys.platform.startswith("linux") or any(map(glob.glob, _GPU_FILES))


def check_no_tf32_override() -> None:
    """Refuse a machine whose CUDA libraries are set to round float32. torch cannot override that.

    Raises
    ------
    SetupError
        If NVIDIA_TF32_OVERRIDE is 1.
    """
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "1":
        raise SetupError(
            "NVIDIA_TF32_OVERRIDE=1 rounds float32 to TF32, which moves vectors by about 1e-3; unset it, or set "
            "precision to float16 or bfloat16"
        )
