"""Which device and how many threads does this process own? Decided where the encoder runs, from the task's own GPU
address and CPUs. Never touches CUDA before it is asked for a GPU, so that a forked worker can still start it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bert_spark.errors import DeviceError, SetupError

VISIBLE = "CUDA_VISIBLE_DEVICES"
# What CUDA says when a memory request fails; the card goes on working. torch.OutOfMemoryError is the allocator's own.
# cublasCreate fails on a full card; NVML is asked only then, and can't be by a container that owns a MIG slice.
_NO_MEMORY = (
    *("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory"),
    *("calling `cublasCreate", "NVML_SUCCESS == r INTERNAL ASSERT"),
)
# Any other of these leaves the CUDA context of the process unusable until it ends.
_FATAL = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "cuDNN error", "device-side assert")

_alone: str | None = None  # the one card this process shows to CUDA, once it has hidden the others
_listed: str | None = None  # CUDA_VISIBLE_DEVICES before that: what Spark's addresses count


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


def settle_threads() -> None:
    """Give torch and the tokenizer as many threads as the task has CPUs; what the user has set stands.

    Spark itself sets OMP_NUM_THREADS in a worker, to spark.task.cpus or to what spark.executorEnv.OMP_NUM_THREADS says,
    and torch follows it: there torch's own number is left alone.
    """
    cpus = task_cpus()
    if cpus is None:
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if cpus > 1 else "false")
    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))  # the tokenizer's pool, else one thread a core of the machine
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        if torch.get_num_threads() != cpus:
            torch.set_num_threads(cpus)


def visible_index(address: str, visible: str | None) -> int:
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

    address = None if wanted.startswith("cuda:") else _task_card()
    alone = address is not None and _must_stand_alone(address)
    if address is not None and alone:
        _show_only(address)  # before anything asks CUDA: it reads the variable once
    if not torch.cuda.is_available():
        if wanted == "auto":
            return "cpu"
        raise SetupError(f"device={wanted!r} but torch sees no GPU here; set device='auto' or mend the driver")
    if wanted.startswith("cuda:"):
        return wanted
    if address is None or alone:
        return "cuda:0"
    return f"cuda:{visible_index(address, os.environ.get(VISIBLE))}"


def _task_card() -> str | None:
    """Return the first GPU address of the task; one that is the index of a MIG slice as the slice's name."""
    address = next(iter(task_addresses() or []), None)
    listed = os.environ.get(VISIBLE) if _alone is None else _listed
    cards = [card.strip() for card in (listed or "").split(",")]
    if address is not None and address.isdigit() and int(address) < len(cards):
        return cards[int(address)] if cards[int(address)].startswith("MIG-") else address
    return address


def _must_stand_alone(address: str) -> bool:
    """Tell whether CUDA has to be shown this card alone: a MIG slice, of which a process can use one, or a UUID that no
    list turns into an index. A process that shows one card alone has no other to count.
    """
    return _alone is not None or address.startswith("MIG-") or (not address.isdigit() and VISIBLE not in os.environ)


def _show_only(address: str) -> None:
    global _alone, _listed
    if _alone == address:
        return
    if _alone is not None:
        raise SetupError(
            f"this worker process runs on GPU {_alone!r} and can't change to {address!r}: a process keeps its MIG "
            "slice or UUID; give each executor one GPU (spark.executor.resource.gpu.amount 1, see conf/gpu.conf)"
        )
    if VISIBLE in os.environ:
        visible_index(address, os.environ[VISIBLE])  # refuses one that is not in the list
    _alone, _listed = address, os.environ.get(VISIBLE)
    os.environ[VISIBLE] = address


def check_float32() -> None:
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


def out_of_memory(err: BaseException) -> bool:
    """Tell whether `err` is a request for memory that failed and left the device usable."""
    import torch

    known = isinstance(err, torch.OutOfMemoryError)
    return known or (isinstance(err, RuntimeError) and any(sign in str(err) for sign in _NO_MEMORY))


@contextmanager
def memory_permitting() -> Iterator[None]:
    """Leave the block in silence where the device has too little memory for it."""
    try:
        yield
    except RuntimeError as err:
        if not out_of_memory(err):
            raise


def fatal(err: BaseException) -> bool:
    """Tell whether `err` left this process's CUDA context unusable: every later call would fail with it."""
    import torch

    told = isinstance(err, RuntimeError) and any(sign in str(err) for sign in _FATAL)
    return (told or isinstance(err, torch.AcceleratorError)) and not out_of_memory(err)


@contextmanager
def broken_device_named() -> Iterator[None]:
    """Turn a fatal CUDA error into DeviceError. PySpark hands it to Spark and ends the worker process, so that no later
    task inherits the broken context; Spark tries the task again within its own limit.
    """
    try:
        yield
    except RuntimeError as err:
        if not fatal(err):
            raise
        first = (str(err).splitlines() or [""])[0]
        raise DeviceError(
            f"the GPU of a task failed on host {socket.gethostname()} ({first}); its Python worker ends and Spark "
            "tries the task again in a new one; if that fails each time, look at the card (nvidia-smi, dmesg) or leave "
            "the host out"
        ) from err
