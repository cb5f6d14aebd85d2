"""CUDA errors are divided into out of memory, fatal errors and others."""

import pytest
import torch

from bert_spark.encoding import cuda_errors
from bert_spark.errors import DeviceError

DEVICE_ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"


@pytest.mark.parametrize(
    ("error", "memory", "fatal"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:1131"), True, False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True, False),
        (RuntimeError(DEVICE_ASSERT), False, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), False, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), False, True),
        (RuntimeError("The size of tensor a (3) must match"), False, False),
        (ValueError("CUDA error: quoted in a message"), False, False),
    ],
)
def test_which_errors_are_out_of_memory_and_which_are_fatal(error, memory, fatal):
    assert (cuda_errors.is_out_of_memory(error), cuda_errors.is_fatal(error)) == (memory, fatal)


def test_a_fatal_error_names_host_first_line_and_consequence():
    with pytest.raises(
        DeviceError, match=r"failed on host .+ \(CUDA error: device-side assert triggered\); its Python w"
    ):
        with cuda_errors.fatal_as_device_error():
            raise RuntimeError(DEVICE_ASSERT)


def test_other_errors_are_raised_unchanged():
    with pytest.raises(RuntimeError, match=r"^shape$"), cuda_errors.fatal_as_device_error():
        raise RuntimeError("shape")
