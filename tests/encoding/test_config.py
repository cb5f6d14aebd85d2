"""Encoder settings are checked once, and are hashed by what changes a vector."""

import dataclasses
import pickle

import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import encoder_fingerprint
from bert_spark.encoding.vector_recipe import recipe_of
from bert_spark.errors import ConfigError
from tests.support.embedding_functions import LayerState


def test_defaults():
    config = EncoderConfig()
    assert (config.model, config.max_length, config.pooling) == ("packaged:minilm-l6", 60, "cls")
    assert (config.precision, config.token_budget, config.window_rows) == ("float32", 0, 8192)
    assert (config.clean, config.long_text, config.device, config.revision) == ("off", "truncate", "auto", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": "60"}, r"max_length='60' is a str; expected int"),
        ({"max_length": 60.0}, r"max_length=60\.0 is a float; expected int"),
        ({"max_length": True}, r"max_length=True is a bool; expected int"),
        ({"max_length": 0}, r"max_length=0 is too small; expected 1 or more"),
        ({"token_budget": -1}, r"token_budget=-1 is too small; expected 0 or more"),
        ({"window_rows": -1}, r"window_rows=-1 is too small; expected 1 or more"),
        ({"model": None}, r"model=None is a NoneType; expected str"),
        ({"revision": 5}, r"revision=5 is a int; expected str \| None"),
        (
            {"pooling": "avg"},
            r"pooling 'avg' is unknown; known are \['cls', 'flatten', 'last', 'max', 'mean', 'mean_sq",
        ),
        (
            {"pooling": "cls+model"},
            r"pooling 'cls\+model' cannot be joined; use different poolings, none of them flatten or",
        ),
        ({"dimensions": 0}, r"dimensions=0 is too small; expected 1 or more"),
        ({"normalize": 1}, r"normalize=1 is a int; expected bool"),
        (
            {"precision": "half"},
            r"precision='half' is unknown; known are \['float32', 'bfloat16', 'float16', 'int8', 'auto'\]",
        ),
        ({"clean": "html"}, r"clean='html' is unknown; known are \['off', 'tweets', 'tweets\+emoji'\]"),
        ({"long_text": "cut"}, r"long_text='cut' is unknown; known are \['truncate', 'windows'\]"),
        ({"device": "gpu"}, r"device='gpu' is unknown; expected auto, cpu, cuda or cuda:N"),
        ({"device": "0"}, r"device='0' is unknown"),
        ({"device": "cuda:"}, r"device='cuda:' is unknown"),
        ({"device": "cuda:²"}, r"device='cuda:²' is unknown"),
        ({"device": "cuda:1\n"}, r"device='cuda:1\\n' is unknown"),
        ({"embedding_func": "cls"}, r"embedding_func='cls' is a str; expected"),
    ],
)
def test_an_invalid_value_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**settings)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:15"])
def test_valid_devices(device):
    assert EncoderConfig(device=device).device == device


def test_settings_are_frozen_and_hashable():
    config = EncoderConfig(max_length=7)
    assert {config: 1}[EncoderConfig(max_length=7)] == 1
    assert config != EncoderConfig(max_length=8)
    with pytest.raises(dataclasses.FrozenInstanceError, match="max_length"):
        config.max_length = 8


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 61},
        {"pooling": "mean"},
        {"precision": "bfloat16"},
        {"clean": "tweets"},
        {"long_text": "windows"},
        {"normalize": True},
        {"dimensions": 8},
        {"prompt": "query: "},
        {"embedding_func": len},
    ],
    ids=str,
)
def test_settings_that_change_a_vector_change_the_fingerprint(change):
    assert fingerprint(**change) != fingerprint()


@pytest.mark.parametrize(
    "change", [{"token_budget": 1}, {"window_rows": 1}, {"device": "cpu"}, {"model": "x"}, {"prompt": ""}], ids=str
)
def test_settings_that_change_no_vector_keep_the_fingerprint(change):
    assert fingerprint(**change) == fingerprint()


def fingerprint(**settings):
    config = EncoderConfig(**settings)
    return encoder_fingerprint("content of the model", config, recipe_of(config))


def test_newer_settings_are_stored_only_if_they_are_set():
    assert not {"normalize", "dimensions", "prompt"} & set(EncoderConfig().settings())
    chosen = {"normalize": True, "dimensions": 8, "prompt": "", "pooling": "model"}
    assert EncoderConfig(**EncoderConfig(**chosen).settings()) == EncoderConfig(**chosen)


def test_only_the_models_own_recipe_leaves_the_length_open():
    assert EncoderConfig(max_length=None) == EncoderConfig(max_length=60)
    assert EncoderConfig(pooling="model").max_length is None


def test_a_function_with_the_models_own_recipe_is_refused():
    with pytest.raises(ConfigError, match="got embedding_func with pooling='model'; leave one of them out"):
        EncoderConfig(pooling="model", embedding_func=len)


def test_openvino_refuses_float16_and_embedding_func():
    with pytest.raises(ConfigError, match="has no float16; set precision='bfloat16'"):
        EncoderConfig(engine="openvino", precision="float16")
    with pytest.raises(ConfigError, match="does not take embedding_func; set a pooling"):
        EncoderConfig(engine="openvino", embedding_func=len)


def test_settings_pickle_small_and_equal():
    config = EncoderConfig(max_length=7, embedding_func=LayerState(1))
    data = pickle.dumps(config)
    assert len(data) < 1000
    assert pickle.loads(data) == config
