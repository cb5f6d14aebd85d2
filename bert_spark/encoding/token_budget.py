"""How many padded tokens one batch holds where the user has not said. Small on CPUs, for their caches; on a GPU as many
as still make it faster and fit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from bert_spark.encoding.cuda_errors import suppress_out_of_memory

logger = logging.getLogger(__name__)

# Two cores, MiniLM: 512 to 1,024 tokens of 1,536 float32 numbers stay in the second-level cache, 2,048 cost up to 8 %.
# In half precision they are half as large, and OpenVINO is 5 % faster with 2,048.
CPU_TOKENS, CPU_TOKENS_HALF = 1024, 2048
GPU_FIRST, GPU_MAX = 4096, 1 << 18
_MIN_GAIN = 1.05  # a doubling that brings less than 5 % is the last
_MEMORY_SHARE = 0.5  # of the free memory: the rest is for other workers on the card
_TRIALS = 3


def cpu_token_budget(precision: str) -> int:
    """Return the tokens of a batch on a CPU."""
    return CPU_TOKENS if precision == "float32" else CPU_TOKENS_HALF


def largest_useful_budget(measure: Callable[[int], tuple[float, int] | None], free: int) -> int:
    """Double the tokens of a batch until they don't fit, or bring nothing.

    Parameters
    ----------
    measure
        Runs a batch of so many tokens; gives its seconds and the bytes it held at its peak, None where it ran out of
        memory.
    free
        Bytes that are free on the device.

    Returns
    -------
    int
        Padded tokens, GPU_FIRST to GPU_MOST, or fewer where GPU_FIRST alone needs more than the share.
    """
    tokens = GPU_FIRST
    while (trial := measure(tokens)) is None:
        if tokens == 1:
            return 1
        tokens //= 2
    seconds, held = trial
    while tokens > 1 and held > free * _MEMORY_SHARE:  # one batch's need grows with its tokens
        tokens //= 2
        held //= 2
    while tokens >= GPU_FIRST and tokens * 2 <= GPU_MAX and held * 2 <= free * _MEMORY_SHARE:
        speed = tokens / seconds
        trial = measure(tokens * 2)
        if trial is None or tokens * 2 / trial[0] < speed * _MIN_GAIN:
            break
        seconds, held = trial
        tokens *= 2
    return tokens


def gpu_token_budget(made_up: Callable[[int], Sequence[Any]], run: Callable[..., object], device: str) -> int:
    """Return the tokens of a batch on a CUDA device.

    Takes a few forward passes; nothing of them stays on the card.

    Parameters
    ----------
    made_up
        Gives a batch of so many tokens, on the device.
    run
        Embeds one.
    """
    import torch

    def timed(batch: Sequence[Any]) -> float:
        started = time.perf_counter()
        run(*batch)
        torch.cuda.synchronize(device)
        return time.perf_counter() - started

    def measure(tokens: int) -> tuple[float, int] | None:
        with suppress_out_of_memory():
            batch = made_up(tokens)
            timed(batch)  # kernels are chosen at the first call of a shape
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            seconds = min(timed(batch) for _ in range(_TRIALS))
            return seconds, torch.cuda.max_memory_allocated(device) - before
        torch.cuda.empty_cache()
        return None

    torch.cuda.empty_cache()  # what another encoder of this process has left is free
    tokens = largest_useful_budget(measure, torch.cuda.mem_get_info(device)[0])
    torch.cuda.empty_cache()
    logger.info("token budget on %s: %d", device, tokens)
    return tokens
