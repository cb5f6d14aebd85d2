"""Pick the precision that "auto" stands for on this machine: half precision if it is faster, else float32."""

from __future__ import annotations

import logging
import statistics
import time
from functools import lru_cache

logger = logging.getLogger(__name__)

MIN_SPEEDUP = 1.3  # over float32; a smaller gain is lost to casts between layers and to other operations
_SHAPE = (512, 768, 768)  # rows, inner, columns: a linear layer of BERT-base over a small batch, 0.6 GFLOP
_ROUNDS = 7


def pick_precision(device: str) -> str:
    """Return "float16", "bfloat16" or "float32" for this machine.

    On a GPU it is float16 from NVIDIA's Volta and Turing on. float16 is as fast as bfloat16 and nearer to float32, and
    a row that overflows is run again in float32. On a CPU with instructions for bfloat16 (AVX512_BF16, AMX) bfloat16 is
    measured against float32, once per process, in about 0.1 s. Intel's AVX512_BF16 without AMX multiplies bfloat16 at
    half the speed of float32, AMD's at more than twice the speed.

    Parameters
    ----------
    device
        "auto", "cpu", "cuda" or "cuda:N".
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return "float16" if torch.cuda.get_device_capability(_gpu_index(device))[0] >= 7 else "float32"
    if not _has_bfloat16_instructions():
        return "float32"
    speedup = bfloat16_speedup()
    logger.info("bfloat16 multiplies matrices %.1f times as fast as float32 here", speedup)
    return "bfloat16" if speedup >= MIN_SPEEDUP else "float32"


def _gpu_index(device: str) -> int:
    """Return the number of the card to check. The first one stands for cards that only executors have."""
    import torch

    number = int(device.removeprefix("cuda:")) if device.startswith("cuda:") else 0
    return number if number < torch.cuda.device_count() else 0


def _has_bfloat16_instructions() -> bool:
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def bfloat16_speedup() -> float:
    """Return the speed of a linear layer in bfloat16 divided by its speed in float32: medians of alternating rounds."""
    import torch

    from bert_spark.encoding.linear_kernels import kernels_for

    rows, inner, columns = _SHAPE
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.inference_mode():
        cases = {
            dtype: (
                kernels_for("cpu", dtype).linear,
                torch.nn.Linear(inner, columns, dtype=dtype),
                torch.ones(rows, inner, dtype=dtype),
            )
            for dtype in seconds
        }
        for _ in range(_ROUNDS + 1):
            for dtype, (linear, layer, states) in cases.items():
                started = time.perf_counter()
                linear(layer, states)
                seconds[dtype].append(time.perf_counter() - started)
    float32, bfloat16 = (statistics.median(rounds[1:]) for rounds in seconds.values())  # round 0 builds the kernels
    return float32 / bfloat16
