"""A pooling or a user's function gets a text's own tokens without padding. Fakes."""

import pytest

from bert_spark.errors import ConfigError
from tests.support.fakes import fake_encoder, words


# The fake's state at position t is (t, id of the token). [CLS] has the id 1, [SEP] 2.
@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", [0.0, 1.0]),
        ("mean", [1.5, (1 + 10 + 11 + 2) / 4]),
        ("max", [3.0, 11.0]),
    ],
)
def test_pooling_ignores_padding(pooling, expected):
    encoder = fake_encoder(pooling=pooling)
    assert encoder.width == 2
    assert encoder.encode([words(9), words(2)])[1].tolist() == expected
    assert encoder.encode([words(2)]).tolist() == [expected]


def test_flatten_gives_every_text_max_length_states():
    encoder = fake_encoder(pooling="flatten", max_length=5)
    assert encoder.width == 10
    assert encoder.encode(["w10", words(9)]).tolist() == [
        [0.0, 1.0, 1.0, 10.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 1.0, 10.0, 2.0, 11.0, 3.0, 12.0, 4.0, 2.0],
    ]


def last_word(output):
    return output[0][:, -2, :]


def test_embedding_func_never_sees_padding():
    """The function returns the last word. With padding it would return [PAD] for shorter texts."""
    encoder = fake_encoder(embedding_func=last_word)
    texts = ["w10", words(5), "w30", words(5, 40), words(2)]
    assert encoder.encode(texts).tolist() == [[1.0, 10.0], [5.0, 14.0], [1.0, 30.0], [5.0, 44.0], [2.0, 11.0]]
    assert encoder.loaded.model.shapes == [(2, 7), (1, 4), (2, 3)]


def test_embedding_func_with_squeeze_gives_one_row_per_text():
    """In a batch of one row squeeze removes the first axis."""
    encoder = fake_encoder(embedding_func=lambda output: output[0][:, 1, :].squeeze())
    assert encoder.width == 2
    assert encoder.encode(["w10", "w11", words(3, 20)]).tolist() == [[1.0, 10.0], [1.0, 11.0], [1.0, 20.0]]


@pytest.mark.parametrize(
    "flatten",
    [lambda x: x[0].flatten(), lambda x: x[0].flatten(1), lambda x: x[0].reshape(1, -1)],
    ids=["all", "each", "one row"],
)
def test_the_tutorials_flatten_gives_every_text_max_length_states(flatten):
    """Its rows are not one per text, or differ in width. Such a function runs on each text alone, with padding."""
    encoder = fake_encoder(embedding_func=flatten, max_length=4)
    assert encoder.width == 8
    # [CLS] w10 [SEP] [PAD] and [CLS] w20 w21 [SEP]: (position, id) of each
    expected = [[0.0, 1.0, 1.0, 10.0, 2.0, 2.0, 3.0, 0.0], [0.0, 1.0, 1.0, 20.0, 2.0, 21.0, 3.0, 2.0]]
    assert encoder.encode(["w10", "w20 w21"]).tolist() == expected
    assert encoder.loaded.model.shapes == [(1, 4), (1, 4)]


def test_embedding_func_must_return_a_tensor():
    with pytest.raises(ConfigError, match="embedding_func returned a Output; expected a tensor"):
        fake_encoder(embedding_func=lambda output: output)
