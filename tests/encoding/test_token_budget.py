"""The token budget of a card doubles as long as that is faster and fits; the card here is arithmetic."""

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


def card(full_speed_at, bytes_a_token=100 * KB):
    """Return a measure: time grows with tokens only beyond `full_speed_at`; and the tokens it was asked."""
    asked = []

    def measure(tokens):
        asked.append(tokens)
        return max(tokens, full_speed_at) / 1e6, tokens * bytes_a_token

    return measure, asked


def test_it_doubles_until_the_card_is_full_of_work():
    measure, asked = card(full_speed_at=20_000)
    assert largest_useful_budget(measure, free=10**12) == 32_768
    assert asked == [4096, 8192, 16_384, 32_768, 65_536]  # 65,536 brings nothing


def test_it_takes_half_of_the_free_memory_at_most():
    measure, asked = card(full_speed_at=10**9)
    assert largest_useful_budget(measure, free=2 * 16_384 * 100 * KB) == 16_384
    assert max(asked) == 16_384  # what would not fit is not tried


def test_it_ends_at_the_bound():
    measure, _ = card(full_speed_at=10**9)
    assert largest_useful_budget(measure, free=10**12) == GPU_MAX


@pytest.mark.parametrize(("free", "tokens"), [(2 * 1024 * 100 * KB, 1024), (1, 1)])
def test_a_full_card_gets_less_than_the_first_try(free, tokens):
    measure, asked = card(full_speed_at=1)
    assert largest_useful_budget(measure, free) == tokens
    assert asked == [4096]


@pytest.fixture
def crowded(monkeypatch):
    """Return a function that runs batches of so many tokens at most on a card that is made up; and the tokens asked."""
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    for name in ("memory_allocated", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda _: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10**9, 10**10))

    def card(most):
        asked = []

        def run(tokens):
            asked.append(tokens)
            if tokens > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        return run, asked

    return card


@pytest.mark.parametrize(("most", "tokens"), [(1500, 1024), (4096, 4096), (0, 1)])
def test_a_batch_that_others_leave_no_room_for_is_halved_until_it_fits(crowded, most, tokens):
    run, asked = crowded(most)
    assert gpu_token_budget(lambda tokens: (tokens,), run, "cuda:0") == tokens
    assert asked[0] == 4096


def test_any_other_error_of_a_trial_is_raised(crowded):
    def run(tokens):
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        gpu_token_budget(lambda tokens: (tokens,), run, "cuda:0")


def test_what_the_user_says_stands_else_the_precision_tells():
    assert fake_encoder(token_budget=77).batches.token_budget == 77
    assert fake_encoder().batches.token_budget == CPU_TOKENS
    assert fake_encoder(precision="bfloat16").batches.token_budget == CPU_TOKENS_HALF
