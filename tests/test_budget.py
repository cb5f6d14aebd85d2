"""The token budget of a card doubles as long as that is faster and fits; the card here is arithmetic."""

import pytest
from fakes import fake_encoder

from bert_spark.budget import CPU_TOKENS, GPU_MOST, doubled

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
    assert doubled(measure, free=10**12) == 32_768
    assert asked == [4096, 8192, 16_384, 32_768, 65_536]  # 65,536 brings nothing


def test_it_takes_half_of_the_free_memory_at_most():
    measure, asked = card(full_speed_at=10**9)
    assert doubled(measure, free=2 * 16_384 * 100 * KB) == 16_384
    assert max(asked) == 16_384  # what would not fit is not tried


def test_it_ends_at_the_bound():
    measure, _ = card(full_speed_at=10**9)
    assert doubled(measure, free=10**12) == GPU_MOST


@pytest.mark.parametrize(("free", "tokens"), [(2 * 1024 * 100 * KB, 1024), (1, 1)])
def test_a_full_card_gets_less_than_the_first_try(free, tokens):
    measure, asked = card(full_speed_at=1)
    assert doubled(measure, free) == tokens
    assert asked == [4096]


def test_what_the_user_says_stands():
    assert fake_encoder(token_budget=77).batches.token_budget == 77
    assert fake_encoder().batches.token_budget == CPU_TOKENS
