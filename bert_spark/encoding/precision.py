"""What `precision = "auto"` picks on this machine: half precision where it is the faster one, else float32."""

from __future__ import annotations

import logging
import statistics
import time
from functools import lru_cache

logger = logging.getLogger(__name__)

FASTER = 1.3  # times float32; casts between layers and the other operations eat a smaller gain
_SHAPE = (512, 768, 768)  # rows, inner, columns: a linear layer of BERT-base over a small batch, 0.6 GFLOP
_ROUNDS = 7


def pick_precision(device: str) -> str:
    """Return "float16", "bfloat16" or "float32" for this machine.

    On a GPU float16 from NVIDIA's Volta and Turing on: as fast as bfloat16, nearer to float32, and a row that it can't
    hold is run again in float32. On a CPU that has instructions for bfloat16 (AVX512_BF16, AMX) it is measured
    against float32, once a process, about 0.1 s: Intel's AVX512_BF16 without AMX multiplies bfloat16 at half the speed
    of float32, AMD's at more than twice.

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
    times = bfloat16_speedup()
    logger.info("bfloat16 multiplies matrices %.1f times as fast as float32 here", times)
    return "bfloat16" if times >= FASTER else "float32"


def _gpu_index(device: str) -> int:
    """Return the number of the card that is asked; the first where executors have more cards than this machine."""
    import torch

    number = int(device.removeprefix("cuda:")) if device.startswith("cuda:") else 0
    return number if number < torch.cuda.device_count() else 0


def _has_bfloat16_instructions() -> bool:
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def bfloat16_speedup() -> float:
    """Return how many times as fast as float32 a linear layer is in bfloat16: median of rounds that alternate."""
    import torch

    from bert_spark.encoding.linear_kernels import kernels_for

    rows, inner, columns = _SHAPE
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.inference_mode():
        work = {
            kind: (
                kernels_for("cpu", kind).linear,
                torch.nn.Linear(inner, columns, dtype=kind),
                torch.ones(rows, inner, dtype=kind),
            )
            for kind in seconds
        }
        for _ in range(_ROUNDS + 1):
            for kind, (linear, layer, states) in work.items():
                started = time.perf_counter()
                linear(layer, states)
                seconds[kind].append(time.perf_counter() - started)
    single, half = (statistics.median(each[1:]) for each in seconds.values())  # the first builds kernels
    return single / half
