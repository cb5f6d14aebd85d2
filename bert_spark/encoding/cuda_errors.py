"""Tell CUDA errors apart: out of memory leaves the device usable, a fatal error ends the process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bert_spark.errors import DeviceError

# What CUDA says when a memory request fails; the card goes on working. torch.OutOfMemoryError is the allocator's own.
# cublasCreate fails on a full card; NVML is asked only then, and can't be by a container that owns a MIG slice.
_OUT_OF_MEMORY_SIGNS = (
    *("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory"),
    *("calling `cublasCreate", "NVML_SUCCESS == r INTERNAL ASSERT"),
)
# Any other of these leaves the CUDA context of the process unusable until it ends.
_FATAL_SIGNS = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "cuDNN error", "device-side assert")


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether `err` is a request for memory that failed and left the device usable."""
    import torch

    known = isinstance(err, torch.OutOfMemoryError)
    return known or (isinstance(err, RuntimeError) and any(sign in str(err) for sign in _OUT_OF_MEMORY_SIGNS))


@contextmanager
def suppress_out_of_memory() -> Iterator[None]:
    """Leave the block in silence where the device has too little memory for it."""
    try:
        yield
    except RuntimeError as err:
        if not is_out_of_memory(err):
            raise


def is_fatal(err: BaseException) -> bool:
    """Tell whether `err` left this process's CUDA context unusable: every later call would fail with it."""
    import torch

    told = isinstance(err, RuntimeError) and any(sign in str(err) for sign in _FATAL_SIGNS)
    return (told or isinstance(err, torch.AcceleratorError)) and not is_out_of_memory(err)


@contextmanager
def fatal_as_device_error() -> Iterator[None]:
    """Turn a fatal CUDA error into DeviceError. PySpark hands it to Spark and ends the worker process, so that no later
    task inherits the broken context; Spark tries the task again within its own limit.
    """
    try:
        yield
    except RuntimeError as err:
        if not is_fatal(err):
            raise
        first = (str(err).splitlines() or [""])[0]
        raise DeviceError(
            f"the GPU of a task failed on host {socket.gethostname()} ({first}); its Python worker ends and Spark "
            "tries the task again in a new one; if that fails each time, look at the card (nvidia-smi, dmesg) or leave "
            "the host out"
        ) from err
