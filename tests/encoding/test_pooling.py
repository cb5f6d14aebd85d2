"""One vector a text, with padding that must not show. States are two rows of three tokens of two numbers."""

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
def test_padding_does_not_show(name, expected):
    assert pooling_function(name)((STATES,), MASK).tolist() == expected


def test_pooler_takes_the_models_own_pooled_output():
    output = SimpleNamespace(pooler_output=torch.tensor([[0.25], [0.75]]))
    assert pooling_function("pooler")(output, MASK).tolist() == [[0.25], [0.75]]


def test_pooler_of_a_model_without_one_is_refused():
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none: use pooling"):
        pooling_function("pooler")(SimpleNamespace(), MASK)


def test_mean_of_many_tokens_in_bfloat16_is_not_rounded_to_its_step():
    # bfloat16 counts 1, 2, ..., 256 and no further: it would divide by 256
    states = torch.zeros(1, 257, 1, dtype=torch.bfloat16)
    states[0, 0, 0] = 1.0
    assert pooling_function("mean")((states,), torch.ones(1, 257, dtype=torch.int64)).item() == pytest.approx(
        1 / 257, rel=1e-6
    )


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'avg' is unknown; known are \['cls', 'flatten', 'max', 'mean', 'pooler'\]"):
        pooling_function("avg")


def test_these_are_all():
    assert sorted(POOLINGS) == ["cls", "flatten", "max", "mean", "pooler"]
