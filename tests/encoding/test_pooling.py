"""A pooling gives one vector per text and ignores padding. The states are 2 rows of 3 tokens of 2 numbers."""

from types import SimpleNamespace

import pytest
import torch

from bert_spark.encoding.pooling import POOLINGS, TokenPooling, check_pooling, pooling_parts
from bert_spark.errors import ConfigError, ModelError

# row 0 has three tokens; row 1 has two, and padding with the largest numbers of all
STATES = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [8.0, -9.0]], [[5.0, -6.0], [7.0, -8.0], [100.0, 100.0]]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def pool(name, output, mask, skipped_tokens=0):
    return TokenPooling(pooling_parts(name), skipped_tokens).function()(output, mask)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cls", [[1.0, -2.0], [5.0, -6.0]]),
        ("mean", [[4.0, -5.0], [6.0, -7.0]]),
        ("max", [[8.0, -2.0], [7.0, -6.0]]),
        ("last", [[8.0, -9.0], [7.0, -8.0]]),
        ("mean_sqrt_len", [[12 / 3**0.5, -15 / 3**0.5], [12 / 2**0.5, -14 / 2**0.5]]),
        ("weighted_mean", [[31 / 6, -37 / 6], [19 / 3, -22 / 3]]),
        ("flatten", [[1.0, -2.0, 3.0, -4.0, 8.0, -9.0], [5.0, -6.0, 7.0, -8.0, 0.0, 0.0]]),
    ],
)
def test_padding_does_not_change_a_pooling(name, expected):
    torch.testing.assert_close(pool(name, (STATES,), MASK), torch.tensor(expected))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cls", [[3.0, -4.0], [7.0, -8.0]]),
        ("mean", [[5.5, -6.5], [7.0, -8.0]]),
        ("max", [[8.0, -4.0], [7.0, -8.0]]),
        ("last", [[8.0, -9.0], [7.0, -8.0]]),
        ("weighted_mean", [[30 / 5, -35 / 5], [7.0, -8.0]]),  # the weights are 2 and 3
    ],
)
def test_skipped_tokens_are_not_read_and_the_others_keep_their_weights(name, expected):
    torch.testing.assert_close(pool(name, (STATES,), MASK, skipped_tokens=1), torch.tensor(expected))


@pytest.mark.parametrize("name", ["mean", "mean_sqrt_len", "weighted_mean", "last"])
def test_a_text_of_skipped_tokens_alone_gets_zeros(name):
    assert pool(name, (STATES,), MASK, skipped_tokens=2)[1].tolist() == [0.0, 0.0]


def test_the_first_state_alone_is_read_unless_tokens_are_skipped():
    assert TokenPooling(("cls", "pooler")).reads_first_token_only
    assert not TokenPooling(("cls",), 1).reads_first_token_only
    assert not TokenPooling(("cls", "mean")).reads_first_token_only


def test_pooler_returns_the_models_pooled_output():
    output = SimpleNamespace(pooler_output=torch.tensor([[0.25], [0.75]]))
    assert pool("pooler", output, MASK).tolist() == [[0.25], [0.75]]


def test_pooler_refuses_a_model_without_pooled_output():
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none: use pooling"):
        pool("pooler", SimpleNamespace(), MASK)


def test_mean_of_bfloat16_states_is_summed_in_float32():
    # bfloat16 counts 1, 2, ..., 256 and no further: it would divide by 256
    states = torch.zeros(1, 257, 1, dtype=torch.bfloat16)
    states[0, 0, 0] = 1.0
    vector = pool("mean", (states,), torch.ones(1, 257, dtype=torch.int64))
    assert vector.item() == pytest.approx(1 / 257, rel=1e-6)


def test_unknown_pooling_lists_the_known_names():
    with pytest.raises(ConfigError, match=r"'avg' is unknown; known are \['cls', 'flatten', 'last', 'max', 'mean', "):
        check_pooling("avg")


def test_names_of_all_poolings():
    names = ["cls", "flatten", "last", "max", "mean", "mean_sqrt_len", "pooler", "weighted_mean"]
    assert sorted(POOLINGS) == names


def test_joined_poolings_are_in_the_order_of_their_names():
    assert pool("max+cls", (STATES[:1],), torch.ones(1, 3)).tolist() == [[8.0, -2.0, 1.0, -2.0]]


@pytest.mark.parametrize("name", ["cls+flatten", "mean+mean", "cls+model"])
def test_poolings_that_cannot_be_joined_are_refused(name):
    with pytest.raises(ConfigError, match="cannot be joined; use different poolings, none of them flatten or model"):
        check_pooling(name)
