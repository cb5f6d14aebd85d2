"""OpenVINO gives the same vectors as torch, or an error that names the reason."""

import sys

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import LoadedModel, load_model
from bert_spark.encoding.model_setup import embed_batch_for
from bert_spark.encoding.pooling import TokenPooling
from bert_spark.errors import ConfigError, SetupError
from tests.support import architectures, tiny_models

TEXTS = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas, and today is good!", "love you", "a b c d e f"]


def encoder(folder, **settings):
    return BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", **settings))


@pytest.fixture(scope="module")
def openvino():
    return pytest.importorskip("openvino", reason="openvino missing: pip install 'bert-spark[openvino]'")


@pytest.mark.parametrize("pooling", ["cls", "mean", "max", "pooler", "flatten", "cls+mean", "last+weighted_mean"])
def test_openvino_equals_torch(openvino, tiny_bert, pooling):
    settings = {"pooling": pooling, "token_budget": 70}  # batches of several shapes: one compiled model serves all
    compiled = encoder(tiny_bert, engine="openvino", **settings)
    np.testing.assert_allclose(compiled.encode(TEXTS), encoder(tiny_bert, **settings).encode(TEXTS), rtol=0, atol=1e-5)


def test_openvino_equals_torch_for_roberta(openvino, tmp_path):
    folder = tiny_models.roberta(tmp_path / "roberta")
    expected = encoder(folder, max_length=30).encode(TEXTS)
    compiled = encoder(folder, max_length=30, engine="openvino", token_budget=70)
    np.testing.assert_allclose(compiled.encode(TEXTS), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "cls+pooler", "mean"])
def test_openvino_in_bfloat16_is_near_float32(openvino, tiny_bert, pooling):
    half = encoder(tiny_bert, engine="openvino", precision="bfloat16", pooling=pooling).encode(TEXTS)
    exact = encoder(tiny_bert, pooling=pooling).encode(TEXTS)
    cosine = (half * exact).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(exact, axis=1)
    assert half.dtype == np.float32
    assert cosine.min() > 0.999


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"precision": "bfloat16"}, ["bf16", "f32"]),
        ({"precision": "bfloat16", "pooling": "mean"}, ["bf16"]),
        ({"precision": "float32"}, ["f32"]),
    ],
)
def test_the_last_layer_stays_float32_if_only_the_cls_state_is_read(
    openvino, tiny_bert, monkeypatch, settings, expected
):
    hints, compile_model = [], openvino.Core.compile_model

    def spy(core, model, device, options):
        hints.append(options["INFERENCE_PRECISION_HINT"])
        return compile_model(core, model, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", spy)
    encoder(tiny_bert, engine="openvino", **settings)
    assert hints == expected


@pytest.mark.packaged
def test_openvino_equals_torch_for_minilm(openvino):
    exact = BertEncoder.from_config(EncoderConfig(device="cpu"))
    compiled = BertEncoder.from_config(EncoderConfig(device="cpu", engine="openvino"))
    np.testing.assert_allclose(compiled.encode(TEXTS), exact.encode(TEXTS), rtol=0, atol=1e-5)


def test_another_architecture_is_compiled_if_its_vectors_equal_those_of_torch(openvino, tmp_path):
    folder = tiny_models.distilbert(tmp_path / "distilbert")
    settings = {"pooling": "mean", "max_length": 30}
    compiled = encoder(folder, engine="openvino", token_budget=70, **settings)
    np.testing.assert_allclose(compiled.encode(TEXTS), encoder(folder, **settings).encode(TEXTS), rtol=0, atol=1e-5)


def test_an_architecture_that_openvino_gets_wrong_is_refused(openvino, tmp_path):
    folder = architectures.save("ModernBert", tmp_path / "ModernBert")
    with pytest.raises(ConfigError, match=r"engine='openvino' .* a ModernBertModel \(.*\); set engine='torch'"):
        encoder(folder, engine="openvino", pooling="mean", max_length=30)


def test_a_gpu_is_refused(openvino):
    loaded = LoadedModel(None, None, "cuda:0", "live")
    with pytest.raises(SetupError, match="runs on CPUs, the device is cuda:0; set device='cpu'"):
        embed_batch_for(loaded, EncoderConfig(engine="openvino"), TokenPooling(("cls",)))


def test_a_missing_package_names_what_to_install(tiny_bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    config = EncoderConfig(model=str(tiny_bert), device="cpu", engine="openvino")
    loaded = load_model(config, "cpu")
    with pytest.raises(SetupError, match=r"needs its package: pip install 'bert-spark\[openvino\]'"):
        embed_batch_for(loaded, config, TokenPooling(("cls",)))
