"""A pooling gives one vector per text and ignores padding. The states are 2 rows of 3 tokens of 2 numbers."""

from types import SimpleNamespace

import pytest
import torch

from bert_spark.encoding.pooling import POOLINGS, pooling_function
from bert_spark.errors import ConfigError, ModelError

# row 0 has three tokens; row 1 has two, and padding with the largest numbers of all
STATES = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [8.0, -9.0]], [[5.0, -6.0], [7.0, -8.0], [100.0, 100.0]]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cls", [[1.0, -2.0], [5.0, -6.0]]),
        ("mean", [[4.0, -5.0], [6.0, -7.0]]),
        ("max", [[8.0, -2.0], [7.0, -6.0]]),
        ("flatten", [[1.0, -2.0, 3.0, -4.0, 8.0, -9.0], [5.0, -6.0, 7.0, -8.0, 0.0, 0.0]]),
    ],
)
def test_padding_does_not_change_a_pooling(name, expected):
    assert pooling_function(name)((STATES,), MASK).tolist() == expected


def test_pooler_returns_the_models_pooled_output():
    output = SimpleNamespace(pooler_output=torch.tensor([[0.25], [0.75]]))
    assert pooling_function("pooler")(output, MASK).tolist() == [[0.25], [0.75]]


def test_pooler_refuses_a_model_without_pooled_output():
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none: use pooling"):
        pooling_function("pooler")(SimpleNamespace(), MASK)


def test_mean_of_bfloat16_states_is_summed_in_float32():
    # bfloat16 counts 1, 2, ..., 256 and no further: it would divide by 256
    states = torch.zeros(1, 257, 1, dtype=torch.bfloat16)
    states[0, 0, 0] = 1.0
    assert pooling_function("mean")((states,), torch.ones(1, 257, dtype=torch.int64)).item() == pytest.approx(
        1 / 257, rel=1e-6
    )


def test_unknown_pooling_lists_the_known_names():
    with pytest.raises(ConfigError, match=r"'avg' is unknown; known are \['cls', 'flatten', 'max', 'mean', 'pooler'\]"):
        pooling_function("avg")


def test_names_of_all_poolings():
    assert sorted(POOLINGS) == ["cls", "flatten", "max", "mean", "pooler"]


def test_joined_poolings_are_in_the_order_of_their_names():
    assert pooling_function("max+cls")((STATES[:1],), torch.ones(1, 3)).tolist() == [[8.0, -2.0, 1.0, -2.0]]


@pytest.mark.parametrize("name", ["cls+flatten", "mean+mean"])
def test_poolings_that_cannot_be_joined_are_refused(name):
    with pytest.raises(ConfigError, match="cannot be joined; use different poolings, none of them flatten"):
        pooling_function(name)
