"""A model is probed when it is loaded: what it needs is done, and what it can't do is refused by name."""

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.errors import ConfigError, ModelError
from tests.support import architectures


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Return a function that gives the folder of a tiny model of an architecture, made once."""
    root, made = tmp_path_factory.mktemp("architectures"), {}
    return lambda name: made[name] if name in made else made.setdefault(name, architectures.save(name, root / name))


def encoder(folder, **settings):
    defaults = {"pooling": "mean", "max_length": architectures.MAX_LENGTH}
    return BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", **defaults | settings))


# ignores the mask; mixes all positions; sparse attention; token types; no embedding table; no decoder in its file
@pytest.mark.parametrize(
    "name", ["ConvBert", "FNet", "BigBird", "XLNet", "Canine", "T5Encoder", "UMT5Encoder", "ModernBert"]
)
def test_a_text_gets_the_vector_of_transformers_whatever_its_batch(folder_of, name):
    folder = folder_of(name)
    expected = architectures.mean_vectors(folder, architectures.TEXTS)
    for token_budget in (1, 2048):
        found = encoder(folder, token_budget=token_budget).encode(architectures.TEXTS)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "equal_lengths"), [("ConvBert", True), ("BigBird", True), ("ModernBert", False)])
def test_rows_of_one_length_make_a_batch_only_where_padding_matters(folder_of, name, equal_lengths):
    assert encoder(folder_of(name)).batch_runner.layout.equal_lengths == equal_lengths


def test_a_short_bigbird_has_full_attention_and_pads(folder_of):
    assert not encoder(folder_of("BigBird"), max_length=14).batch_runner.layout.equal_lengths


def test_the_first_token_of_a_causal_model_is_refused(folder_of, tiny_bert):
    message = "the first token of a LlamaModel reads no other token, .*; set pooling='last', or 'mean'"
    for pooling in ("cls", "mean+cls"):
        with pytest.raises(ConfigError, match=message):
            encoder(folder_of("Llama"), pooling=pooling)
    assert encoder(folder_of("Llama"), pooling="last").width == 32
    assert encoder(tiny_bert, pooling="cls").width == 32


def test_a_model_that_fails_on_an_empty_text_is_refused(folder_of):
    message = r"a FunnelModel can't compute the states of an empty text \(RuntimeError: .*\); use another model"
    with pytest.raises(ModelError, match=message):
        encoder(folder_of("Funnel"))


def test_a_precision_that_the_model_can_not_compute_in_is_refused(folder_of):
    with pytest.raises(
        ConfigError, match=r"a DebertaModel can't compute in precision='bfloat16' \(.*\); set precision='f"
    ):
        encoder(folder_of("Deberta"), precision="bfloat16")
