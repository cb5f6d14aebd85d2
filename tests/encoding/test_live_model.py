"""Live objects are wrapped: a model with a head, another model's tokenizer, a SentenceTransformer."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    T5Config,
    T5Model,
)

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.live_model import from_live_objects
from bert_spark.errors import ConfigError, ModelError
from bert_spark.estimators.bert_transformer import BertTransformer
from tests.support import tiny_models
from tests.support.model_recipes import CASES, PROMPTS, TEXTS, vectors, write_recipe


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(str(tiny_bert))


@pytest.mark.filterwarnings("ignore")  # the head is not in the file
@pytest.mark.parametrize("kind", [AutoModelForSequenceClassification, AutoModelForMaskedLM])
def test_a_model_with_a_head_gives_the_vectors_of_the_model_below_it(tiny_bert, tokenizer, transformers_cls, kind):
    model = kind.from_pretrained(str(tiny_bert), dtype=torch.float32)
    bert = BertTransformer(tokenizer, model).fit(TEXTS)
    assert bert.n_features_out_ == 32
    np.testing.assert_allclose(bert.transform(TEXTS), transformers_cls(tiny_bert, TEXTS), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_a_function_reads_the_output_of_the_head(tiny_bert, tokenizer):
    model = AutoModelForSequenceClassification.from_pretrained(str(tiny_bert), num_labels=3, dtype=torch.float32)
    bert = BertTransformer(tokenizer, model, embedding_func=lambda output: output.logits).fit(TEXTS)
    assert bert.transform(TEXTS).shape == (4, 3)


def test_an_encoder_decoder_is_refused_and_its_encoder_works(tokenizer):
    torch.manual_seed(0)
    model = T5Model(T5Config(vocab_size=200, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2))
    with pytest.raises(ModelError, match=r"a T5Model is an encoder-decoder; .* pass model.get_encoder\(\)"):
        from_live_objects(tokenizer, model)
    loaded = from_live_objects(tokenizer, model.get_encoder())
    assert BertEncoder(loaded, EncoderConfig(pooling="mean")).encode(TEXTS).shape == (4, 8)


def test_a_tokenizer_that_knows_more_tokens_than_the_model_is_refused(tiny_bert, tokenizer):
    model = AutoModel.from_pretrained(str(tiny_bert))
    model.resize_token_embeddings(100)
    with pytest.raises(ModelError, match=rf"knows {tiny_models.TOKENS} tokens, its embedding table 100"):
        from_live_objects(tokenizer, model)


def test_a_live_model_has_no_recipe(tiny_bert, tokenizer):
    bert = BertTransformer(tokenizer, AutoModel.from_pretrained(str(tiny_bert)), pooling="model")
    with pytest.raises(ConfigError, match="needs a model by name, or a live SentenceTransformer"):
        bert.fit(TEXTS)


def test_the_encoder_of_a_live_model_is_made_once(tiny_bert, tokenizer, monkeypatch):
    bert = BertTransformer(tokenizer, AutoModel.from_pretrained(str(tiny_bert))).fit(TEXTS)
    first = bert._local_encoder()
    bert.transform(TEXTS)
    assert bert._local_encoder() is first
    assert bert.set_params(pooling="mean")._local_encoder() is not first
    assert "_live_encoder" not in bert.__getstate__()


@pytest.fixture(scope="module")
def sentence_transformer():
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="sentence-transformers missing")
    return lambda folder, **options: sentence_transformers.SentenceTransformer(str(folder), device="cpu", **options)


@pytest.mark.parametrize("name", ["list", "gelu", "layers", "truncated", "prompt left out"])
def test_the_recipe_of_a_sentence_transformer_is_followed(tmp_path, sentence_transformer, name):
    model = sentence_transformer(write_recipe(tmp_path / "model", **CASES[name]))
    found = BertTransformer(model=model).fit_transform(TEXTS)
    np.testing.assert_allclose(found, np.stack([model.encode(text) for text in TEXTS]), rtol=0, atol=1e-5)


def test_settings_override_the_recipe_of_a_sentence_transformer(tmp_path, sentence_transformer):
    folder = write_recipe(tmp_path / "model", settings=PROMPTS)
    model = sentence_transformer(folder)
    found = BertTransformer(model=model, pooling="last", prompt="passage", max_length=40).fit_transform(TEXTS)
    expected = vectors(folder, [f"good {text}" for text in TEXTS], "last")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match="got a tokenizer with a SentenceTransformer, which has its own"):
        BertTransformer(model.tokenizer, model).fit(TEXTS)


def test_a_module_that_can_not_be_followed_is_named(tmp_path, sentence_transformer):
    model = sentence_transformer(write_recipe(tmp_path / "model"))
    model.append(torch.nn.ReLU())
    with pytest.raises(ModelError, match="has the module 'ReLU', which this package does not do"):
        BertTransformer(model=model).fit(TEXTS)
