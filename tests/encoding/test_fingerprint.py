"""An encoder's fingerprint depends on the model's content and on every setting that changes a vector."""

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.fingerprint import config_fingerprint, encoder_fingerprint
from bert_spark.encoding.model_files import folder_digest
from bert_spark.encoding.vector_recipe import recipe_of
from tests.support import tiny_models


def test_the_fingerprint_depends_on_content_and_settings(tiny_bert, model_copy):
    config = EncoderConfig(model=str(tiny_bert))
    assert config_fingerprint(config) == encoder_fingerprint(folder_digest(tiny_bert), config, recipe_of(config))
    assert config_fingerprint(EncoderConfig(model=str(model_copy), token_budget=7)) == config_fingerprint(config)
    assert config_fingerprint(EncoderConfig(model=str(tiny_bert), max_length=61)) != config_fingerprint(config)
    tiny_models.change_json(model_copy / "config.json", layer_norm_eps=1e-5)
    assert config_fingerprint(EncoderConfig(model=str(model_copy))) != config_fingerprint(config)


def test_an_encoder_and_its_config_have_the_same_fingerprint(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), device="cpu")
    assert BertEncoder.from_config(config).fingerprint == config_fingerprint(config)


def test_the_engine_does_not_change_the_fingerprint(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert))
    assert config_fingerprint(EncoderConfig(model=str(tiny_bert), engine="openvino")) == config_fingerprint(config)
