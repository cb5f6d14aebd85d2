"""The token budget of a GPU doubles as long as that is faster and fits. The GPU is simulated by arithmetic."""

import pytest
import torch

from bert_spark.encoding.token_budget import (
    CPU_TOKENS,
    CPU_TOKENS_HALF,
    GPU_MAX,
    gpu_token_budget,
    largest_useful_budget,
)
from tests.support.fakes import fake_encoder

KB = 1024


def simulated_gpu(full_speed_at, bytes_per_token=100 * KB):
    """Return a `measure` whose time grows only beyond `full_speed_at` tokens, and the list of tokens it tried."""
    tried = []

    def measure(tokens):
        tried.append(tokens)
        return max(tokens, full_speed_at) / 1e6, tokens * bytes_per_token

    return measure, tried


def test_budget_doubles_until_the_gpu_is_busy():
    measure, tried = simulated_gpu(full_speed_at=20_000)
    assert largest_useful_budget(measure, free_bytes=10**12) == 32_768
    assert tried == [4096, 8192, 16_384, 32_768, 65_536]  # 65,536 is no faster


def test_budget_takes_at_most_half_of_the_free_memory():
    measure, tried = simulated_gpu(full_speed_at=10**9)
    assert largest_useful_budget(measure, free_bytes=2 * 16_384 * 100 * KB) == 16_384
    assert max(tried) == 16_384  # a number that would not fit is not tried


def test_budget_ends_at_its_maximum():
    measure, _ = simulated_gpu(full_speed_at=10**9)
    assert largest_useful_budget(measure, free_bytes=10**12) == GPU_MAX


@pytest.mark.parametrize(("free_bytes", "tokens"), [(2 * 1024 * 100 * KB, 1024), (1, 1)])
def test_budget_of_a_full_gpu_is_below_the_first_trial(free_bytes, tokens):
    measure, tried = simulated_gpu(full_speed_at=1)
    assert largest_useful_budget(measure, free_bytes) == tokens
    assert tried == [4096]


@pytest.fixture
def full_gpu(monkeypatch):
    """Return a function: (tokens that fit) -> (embed_batch of a fake GPU, list of the tokens it tried)."""
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda _: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10**9, 10**10))

    def make(fits):
        tried = []

        def embed_batch(tokens):
            tried.append(tokens)
            if tokens > fits:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        return embed_batch, tried

    return make


@pytest.mark.parametrize(("fits", "tokens"), [(1500, 1024), (4096, 4096), (0, 1)])
def test_first_trial_is_halved_until_it_fits(full_gpu, fits, tokens):
    embed_batch, tried = full_gpu(fits)
    assert gpu_token_budget(lambda tokens: (tokens,), embed_batch, "cuda:0") == tokens
    assert tried[0] == 4096


def test_other_errors_of_a_trial_are_raised(full_gpu):
    def embed_batch(tokens):
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        gpu_token_budget(lambda tokens: (tokens,), embed_batch, "cuda:0")


def test_cpu_budget_is_the_users_or_follows_the_precision():
    assert fake_encoder(token_budget=77).batch_runner.token_budget == 77
    assert fake_encoder().batch_runner.token_budget == CPU_TOKENS
    assert fake_encoder(precision="bfloat16").batch_runner.token_budget == CPU_TOKENS_HALF
