"""Classify CUDA errors: out of memory leaves the device usable, a fatal error must end the process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bert_spark.errors import DeviceError

# Messages of a failed request for memory, after which the GPU goes on working. torch.OutOfMemoryError is raised by
# torch's own allocator only. cublasCreate fails on a full GPU. torch asks NVML only after a failed request, and a
# container that owns a MIG slice cannot ask it.
_OUT_OF_MEMORY_SIGNS = (
    *("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory"),
    *("calling `cublasCreate", "NVML_SUCCESS == r INTERNAL ASSERT"),
)
# Any other error with one of these leaves the CUDA context of the process unusable until the process ends.
_FATAL_SIGNS = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "cuDNN error", "device-side assert")


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether `err` is a failed request for memory that left the device usable."""
    import torch

    if isinstance(err, torch.OutOfMemoryError):
        return True
    return isinstance(err, RuntimeError) and any(sign in str(err) for sign in _OUT_OF_MEMORY_SIGNS)


@contextmanager
def suppress_out_of_memory() -> Iterator[None]:
    """Suppress an out-of-memory error in the block. Other errors are raised."""
    try:
        yield
    except RuntimeError as err:
        if not is_out_of_memory(err):
            raise


def is_fatal(err: BaseException) -> bool:
    """Tell whether `err` left this process's CUDA context unusable, so that every later call would fail too."""
    import torch

    has_sign = isinstance(err, RuntimeError) and any(sign in str(err) for sign in _FATAL_SIGNS)
    return (has_sign or isinstance(err, torch.AcceleratorError)) and not is_out_of_memory(err)


@contextmanager
def fatal_as_device_error() -> Iterator[None]:
    """Raise DeviceError for a fatal CUDA error in the block.

    PySpark passes it on to Spark and ends the worker process, so no later task inherits the broken context. Spark
    tries the task again within its own limit.
    """
    try:
        yield
    except RuntimeError as err:
        if not is_fatal(err):
            raise
        first_line = (str(err).splitlines() or [""])[0]
        raise DeviceError(
            f"the GPU of a task failed on host {socket.gethostname()} ({first_line}); its Python worker ends and Spark "
            "tries the task again in a new one; if that fails each time, check the card (nvidia-smi, dmesg) or "
            "exclude the host"
        ) from err
