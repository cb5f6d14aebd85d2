"""What sentence-transformers' own tests expect of poolings and of all-MiniLM-L6-v2.

Values and cases: sentence-transformers, tests/sentence_transformer/modules/test_pooling.py, test_pretrained.py and
test_compute_embeddings.py, Apache-2.0.
"""

import numpy as np
import pytest
import torch

from bert_spark.encoding.pooling import TokenPooling
from bert_spark.encoding.recipe_files import POOLINGS
from bert_spark.estimators.bert_transformer import BertTransformer

# Two rows, of three and of four tokens of two numbers; the padding holds large numbers
STATES = torch.tensor(
    [
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [99.0, 99.0]],
        [[10.0, 20.0], [30.0, 40.0], [50.0, 60.0], [70.0, 80.0]],
    ]
)
MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
# their name of the mode -> pooled rows
EXPECTED = {
    "cls": [[1.0, 2.0], [10.0, 20.0]],
    "max": [[5.0, 6.0], [70.0, 80.0]],
    "mean": [[3.0, 4.0], [40.0, 50.0]],
    "mean_sqrt_len_tokens": [[9 / 3**0.5, 12 / 3**0.5], [160 / 2, 200 / 2]],
    "weightedmean": [[22 / 6, 28 / 6], [50.0, 60.0]],
    "lasttoken": [[5.0, 6.0], [70.0, 80.0]],
}
# the same, where the first token is a prompt that the pooling leaves out
EXPECTED_WITHOUT_PROMPT = {
    "max": [[5.0, 6.0], [70.0, 80.0]],
    "mean": [[4.0, 5.0], [50.0, 60.0]],
    "mean_sqrt_len_tokens": [[8 / 2**0.5, 10 / 2**0.5], [150 / 3**0.5, 180 / 3**0.5]],
    "weightedmean": [[21 / 5, 26 / 5], [490 / 9, 580 / 9]],
    "lasttoken": [[5.0, 6.0], [70.0, 80.0]],
}
QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
SIMILARITIES = [0.46371, 0.81205, 0.72828, 0.75051]  # of all-MiniLM-L6-v2


def pooled(modes, skipped=0):
    return TokenPooling(tuple(POOLINGS[mode] for mode in modes), skipped).function()((STATES,), MASK)


def test_every_mode_has_values():
    assert set(EXPECTED) == set(POOLINGS)


@pytest.mark.parametrize("mode", EXPECTED)
def test_hand_written_values_of_a_mode(mode):
    torch.testing.assert_close(pooled([mode]), torch.tensor(EXPECTED[mode]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("modes", [("cls", "mean"), ("mean", "mean_sqrt_len_tokens"), tuple(EXPECTED)], ids=len)
def test_several_modes_stand_side_by_side(modes):
    expected = torch.cat([torch.tensor(EXPECTED[mode]) for mode in modes], dim=1)
    torch.testing.assert_close(pooled(modes), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", EXPECTED_WITHOUT_PROMPT)
def test_hand_written_values_without_the_prompt(mode):
    torch.testing.assert_close(pooled([mode], 1), torch.tensor(EXPECTED_WITHOUT_PROMPT[mode]), rtol=0, atol=1e-5)


def test_last_token_of_padding_alone_is_zero():
    pool = TokenPooling(("last",)).function()
    assert pool((torch.ones(1, 4, 2),), torch.zeros(1, 4, dtype=torch.int64)).tolist() == [[0.0, 0.0]]


@pytest.mark.packaged
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_similarities_of_a_pretrained_model(precision):
    vectors = BertTransformer(pooling="model", precision=precision, device="cpu").fit_transform([QUERY, *DOCUMENTS])
    np.testing.assert_allclose(vectors[1:] @ vectors[0], SIMILARITIES, rtol=0.01)  # theirs are of bfloat16


@pytest.mark.packaged
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_normalised_vectors_have_length_1(pooling):
    texts = ["Hello Word, a test sentence", "Here comes another sentence", "My final sentence"]
    vectors = BertTransformer(pooling=pooling, normalize=True, device="cpu").fit_transform(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
