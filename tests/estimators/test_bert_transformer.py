"""BertTransformer gives the vectors of transformers, with the settings of the encoder."""

import numpy as np
import pytest
from sklearn.base import clone

from bert_spark import memory
from bert_spark.encoding import encoder_cache
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError, DataError
from bert_spark.estimators.bert_transformer import BertTransformer

TEXTS = ["happy", "so happy today", "love you", "good good world", "sad", "hate this", "so sad", "no no not"]


def test_vectors_equal_transformers(bert, tiny_bert, transformers_cls):
    vectors = bert.fit_transform(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, TEXTS), rtol=0, atol=1e-5)


def test_the_tutorials_constructor_takes_its_arguments_by_position(live, tiny_bert, transformers_cls):
    """Tokenizer, model, max_length and embedding_func by position."""
    vectors = BertTransformer(*live, 5, lambda x: x[0][:, 0, :]).fit_transform(TEXTS)
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, TEXTS, max_length=5), rtol=0, atol=1e-5)


def test_the_tutorials_constructor_truncates_at_max_length(live, tiny_bert, transformers_states):
    bert = BertTransformer(*live, 5, lambda x: x[0][:, 0, :])
    vectors = bert.fit_transform(["hi my name is nicolas"])
    np.testing.assert_allclose(vectors[0], transformers_states(tiny_bert, "hi my name is nicolas", 5)[0], atol=1e-5)


def test_live_and_named_models_give_the_same_vectors(bert, live):
    np.testing.assert_allclose(BertTransformer(*live).transform(TEXTS), bert.transform(TEXTS), rtol=0, atol=1e-5)


def test_settings_reach_the_encoder(tiny_bert):
    settings = {
        "revision": "v1",
        "max_length": 7,
        "pooling": "mean",
        "precision": "bfloat16",
        "engine": "openvino",
        "token_budget": 99,
        "clean": "tweets",
        "long_text": "windows",
        "device": "cpu",
    }
    assert BertTransformer(model=str(tiny_bert), **settings).config == EncoderConfig(model=str(tiny_bert), **settings)


def test_defaults_are_those_of_the_encoder():
    assert BertTransformer().config == EncoderConfig()


def test_no_texts_give_an_empty_matrix(bert):
    assert bert.fit([]).transform([]).shape == (0, 32)


def test_the_model_is_loaded_once_for_all_calls(bert, tiny_bert):
    encoder_cache.clear_encoders()
    before = encoder_cache.model_loads()
    bert.fit(TEXTS).transform(TEXTS)
    clone(bert).transform(TEXTS)
    assert encoder_cache.model_loads() - before == 1
    assert encoder_cache.get_encoder(bert.config).texts_encoded == 16


def test_only_one_of_tokenizer_and_model_is_refused(live, tiny_bert):
    for arguments in ({"tokenizer": live[0], "model": str(tiny_bert)}, {"model": live[1]}):
        with pytest.raises(
            ConfigError, match="got one of tokenizer and model as an object; pass both live, or a model's"
        ):
            BertTransformer(**arguments).fit(TEXTS)


def test_a_live_tokenizer_without_a_model_is_refused(live):
    with pytest.raises(ConfigError, match="got one of tokenizer and model as an object"):
        BertTransformer(live[0]).fit(["a"])


def test_tokenizer_and_model_in_the_wrong_order_are_refused(live):
    with pytest.raises(ConfigError, match="expected a transformers tokenizer first and a transformers model second"):
        BertTransformer(live[1], live[0]).fit(TEXTS)


def test_the_tutorials_flatten_runs_on_each_text_alone_with_padding(live, tiny_bert, transformers_states):
    bert = BertTransformer(*live, max_length=6, embedding_func=lambda x: x[0].flatten())
    vectors = bert.fit_transform(["hi", "hello my two very good world"])
    assert vectors.shape == (2, 6 * 32)
    states = transformers_states(tiny_bert, "hi", 6)
    np.testing.assert_allclose(vectors[0, : states.size], states.ravel(), atol=1e-5)


def test_flatten_has_one_width_for_every_row(tiny_bert):
    bert = BertTransformer(model=str(tiny_bert), pooling="flatten", max_length=8).fit(["a"])
    assert bert.n_features_out_ == 8 * 32
    assert {bert.transform([text]).shape for text in ("", "hi", "hello " * 50)} == {(1, 8 * 32)}


def test_a_matrix_too_large_is_refused_before_any_text_is_encoded(bert, monkeypatch):
    bert.set_params(pooling="flatten").fit(TEXTS)
    before = encoder_cache.get_encoder(bert.config).batch_runner.calls
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"4 rows x 1920 numbers x 4 bytes x 2 .*cls or mean in place of flatten"):
        bert.transform(TEXTS[:4])
    assert encoder_cache.get_encoder(bert.config).batch_runner.calls == before


def test_two_poolings_are_side_by_side(bert):
    both = clone(bert).set_params(pooling="cls+mean").fit_transform(TEXTS)
    alone = [clone(bert).set_params(pooling=name).fit_transform(TEXTS) for name in ("cls", "mean")]
    np.testing.assert_allclose(both, np.hstack(alone), atol=1e-5)
