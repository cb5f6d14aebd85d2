"""The compiled engine gives the vectors of torch, or says why it can't."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder, embed_batch_for
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.model_loader import LoadedModel, load_model
from bert_spark.encoding.torch_backend import gpu_settings, torch_embed_batch
from bert_spark.errors import ConfigError, SetupError
from tests.support import tiny_models

TEXTS = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas, and today is good!", "love you", "a b c d e f"]


def encoder(folder, **settings):
    return BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", **settings))


@pytest.fixture(scope="module")
def openvino():
    return pytest.importorskip("openvino", reason="openvino missing: pip install 'bert-spark[openvino]'")


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "pooler", "flatten", "cls+mean"])
def test_openvino_gives_the_vectors_of_torch(openvino, tiny_bert, pooling):
    settings = {"pooling": pooling, "token_budget": 70}  # batches of several shapes: one compiled model serves all
    compiled = encoder(tiny_bert, engine="openvino", **settings)
    np.testing.assert_allclose(compiled.encode(TEXTS), encoder(tiny_bert, **settings).encode(TEXTS), rtol=0, atol=1e-5)


def test_openvino_takes_roberta(openvino, tmp_path):
    folder = tiny_models.roberta(tmp_path / "roberta")
    expected = encoder(folder, max_length=30).encode(TEXTS)
    compiled = encoder(folder, max_length=30, engine="openvino", token_budget=70)
    np.testing.assert_allclose(compiled.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_openvino_in_bfloat16_is_near_float32(openvino, tiny_bert):
    half = encoder(tiny_bert, engine="openvino", precision="bfloat16").encode(TEXTS)
    exact = encoder(tiny_bert).encode(TEXTS)
    cosine = (half * exact).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(exact, axis=1)
    assert half.dtype == np.float32
    assert cosine.min() > 0.999


@pytest.mark.packaged
def test_openvino_gives_minilm_vectors(openvino):
    exact = BertEncoder.from_config(EncoderConfig(device="cpu"))
    compiled = BertEncoder.from_config(EncoderConfig(device="cpu", engine="openvino"))
    np.testing.assert_allclose(compiled.encode(TEXTS), exact.encode(TEXTS), rtol=0, atol=1e-5)


def test_a_model_it_does_not_take_is_named(openvino, tmp_path):
    folder = tiny_models.distilbert(tmp_path / "distilbert")
    with pytest.raises(ConfigError, match="takes BERT and RoBERTa models, got a DistilBertModel; set engine='torch'"):
        encoder(folder, engine="openvino")


def test_a_gpu_is_not_for_it(openvino):
    loaded = LoadedModel(None, None, "cuda:0", "live")
    with pytest.raises(SetupError, match="runs on CPUs, the device is cuda:0; set device='cpu'"):
        embed_batch_for(loaded, EncoderConfig(engine="openvino"))


def test_where_it_is_not_installed_the_error_says_what_to_install(tiny_bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    config = EncoderConfig(model=str(tiny_bert), device="cpu", engine="openvino")
    loaded = load_model(config, "cpu")
    with pytest.raises(SetupError, match=r"needs its package: pip install 'bert-spark\[openvino\]'"):
        embed_batch_for(loaded, config)


def test_the_engine_is_no_part_of_the_fingerprint(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert))
    assert config_fingerprint(EncoderConfig(model=str(tiny_bert), engine="openvino")) == config_fingerprint(config)


def test_what_openvino_has_not_is_refused():
    with pytest.raises(ConfigError, match="has no float16; set precision='bfloat16'"):
        EncoderConfig(engine="openvino", precision="float16")
    with pytest.raises(ConfigError, match="takes a pooling, no embedding_func"):
        EncoderConfig(engine="openvino", embedding_func=len)


@pytest.mark.parametrize(("device", "there"), [("cuda:1", (False, "ieee")), ("cpu", (True, "tf32"))])
def test_a_card_keeps_to_float32_and_to_attention_without_plans_and_leaves_the_users_settings(device, there):
    """torch's settings; no card is asked."""

    def settings():
        return torch.backends.cuda.cudnn_sdp_enabled(), torch.backends.cuda.matmul.fp32_precision

    torch.set_float32_matmul_precision("high")
    try:
        with gpu_settings(device):
            assert settings() == there
            assert torch.backends.cuda.flash_sdp_enabled()
            assert torch.backends.cuda.mem_efficient_sdp_enabled()
        assert settings() == (True, "tf32")
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "pooler", "flatten", "cls+mean"])
def test_a_pass_on_a_card_touches_nothing_elsewhere(tiny_bert, pooling, precision):
    """torch's device without memory stands in for the card: a tensor of another device, or a value that the processor
    reads, is an error there.
    """
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling, precision=precision)
    card = dataclasses.replace(load_model(config, "cpu"), device="cuda:0")
    vectors = torch_embed_batch(dataclasses.replace(card, model=card.model.to("meta")), config)
    ids = torch.ones(3, 7, dtype=torch.int64, device="meta")
    result = vectors(ids, torch.ones_like(ids))
    width = {"flatten": 7 * 32, "cls+mean": 64}.get(pooling, 32)
    assert (result.device.type, tuple(result.reshape(3, -1).shape)) == ("meta", (3, width))
    with pytest.raises(RuntimeError, match="meta tensor"):
        result.sum().item()  # so would be any value read on the way
