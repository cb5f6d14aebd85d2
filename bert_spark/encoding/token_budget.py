"""Choose how many padded tokens one batch holds if the user has not set it.

On a CPU the number is small, so that a batch stays in its caches. On a GPU it is the largest number that fits and still
makes the GPU faster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from bert_spark.encoding.cuda_errors import suppress_out_of_memory

logger = logging.getLogger(__name__)

# Two cores, MiniLM: 512 to 1,024 tokens of 1,536 float32 numbers stay in the second-level cache, 2,048 cost up to 8 %.
# In half precision the numbers are half as large, and OpenVINO is 5 % faster with 2,048.
CPU_TOKENS, CPU_TOKENS_HALF = 1024, 2048
GPU_FIRST, GPU_MAX = 4096, 1 << 18
_MIN_GAIN = 1.05  # doubling stops once it makes the GPU less than 5 % faster
_MEMORY_SHARE = 0.5  # of the free memory; the rest is for other workers on the GPU
_TRIALS = 3


def cpu_token_budget(precision: str) -> int:
    """Return the padded tokens of a batch on a CPU."""
    return CPU_TOKENS if precision == "float32" else CPU_TOKENS_HALF


def largest_useful_budget(measure: Callable[[int], tuple[float, int] | None], free_bytes: int) -> int:
    """Double the tokens of a batch until they do not fit, or make the device no faster.

    Parameters
    ----------
    measure
        Runs a batch of so many tokens. Returns its seconds and its peak memory in bytes, or None if it ran out of
        memory.
    free_bytes
        Free memory of the device in bytes.

    Returns
    -------
    int
        Padded tokens, GPU_FIRST to GPU_MAX. Fewer if GPU_FIRST alone needs more than half of the free memory.
    """
    tokens = GPU_FIRST
    while (trial := measure(tokens)) is None:
        if tokens == 1:
            return 1
        tokens //= 2
    seconds, peak_bytes = trial
    usable_bytes = free_bytes * _MEMORY_SHARE
    while tokens > 1 and peak_bytes > usable_bytes:  # a batch's memory grows with its tokens
        tokens //= 2
        peak_bytes //= 2
    while tokens >= GPU_FIRST and tokens * 2 <= GPU_MAX and peak_bytes * 2 <= usable_bytes:
        speed = tokens / seconds
        trial = measure(tokens * 2)
        if trial is None or tokens * 2 / trial[0] < speed * _MIN_GAIN:
            break
        seconds, peak_bytes = trial
        tokens *= 2
    return tokens


def gpu_token_budget(
    dummy_batch: Callable[[int], Sequence[Any]], embed_batch: Callable[..., object], device: str
) -> int:
    """Return the padded tokens of a batch on a CUDA device.

    Takes a few forward passes, and frees the memory that they used.

    Parameters
    ----------
    dummy_batch
        Returns the ids and mask of a batch of so many tokens, on the device.
    embed_batch
        Embeds such a batch.
    device
        "cuda:N".
    """
    import torch

    def timed(batch: Sequence[Any]) -> float:
        started = time.perf_counter()
        embed_batch(*batch)
        torch.cuda.synchronize(device)
        return time.perf_counter() - started

    def measure(tokens: int) -> tuple[float, int] | None:
        with suppress_out_of_memory():
            batch = dummy_batch(tokens)
            timed(batch)  # CUDA chooses kernels at the first call of a shape
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            seconds = min(timed(batch) for _ in range(_TRIALS))
            return seconds, torch.cuda.max_memory_allocated(device) - before
        torch.cuda.empty_cache()
        return None

    torch.cuda.empty_cache()  # so that memory cached for another encoder of this process counts as free
    tokens = largest_useful_budget(measure, torch.cuda.mem_get_info(device)[0])
    torch.cuda.empty_cache()
    logger.info("token budget on %s: %d", device, tokens)
    return tokens
