"""The torch backend runs a model in the set precision, without waiting for the GPU."""

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModel

from bert_spark.encoding import bert_forward
from bert_spark.encoding.bert_forward import BertForward
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_loader import load_model
from bert_spark.encoding.pooling import TokenPooling, pooling_parts
from bert_spark.encoding.torch_backend import gpu_settings, torch_embed_batch, with_half_weights
from tests.support import transformers_oracle
from tests.support.tiny_models import IDS, MASK


class SyncCounter(TorchDispatchMode):
    """Counts the operations at which the CPU would wait for the GPU."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.is_nonzero.default, torch.ops.aten._local_scalar_dense.default):
            self.calls.append(func)
        return func(*args, **(kwargs or {}))


def pooling_of(config):
    return TokenPooling(pooling_parts(config.pooling))


@pytest.mark.parametrize(
    "pooling", ["cls", "pooler", "cls+mean", "mean", "max", "flatten", "last", "mean_sqrt_len", "weighted_mean"]
)
def test_no_pooling_synchronises_with_the_gpu(tiny_bert, pooling):
    """transformers' own forward pass reads the values of the mask, which does synchronise."""
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling)
    loaded = load_model(config, "cpu")
    with SyncCounter() as counter:
        torch_embed_batch(loaded, config, pooling_of(config))(IDS, MASK)
    assert counter.calls == []
    with SyncCounter() as counter:
        transformers_oracle.forward(AutoModel.from_pretrained(tiny_bert).eval(), IDS, MASK)
    assert counter.calls


def test_embedding_func_gets_the_models_own_output(tiny_bert, monkeypatch):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", embedding_func=lambda output: output[0][:, 0])
    loaded = load_model(config, "cpu")
    calls = []
    forward = loaded.model.forward
    monkeypatch.setattr(loaded.model, "forward", lambda **args: calls.append(1) or forward(**args))
    torch_embed_batch(loaded, config, pooling_of(config))(IDS, MASK)
    assert calls == [1]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_half_weights_equal_autocast_over_float32_weights(request, family, precision):
    model = request.getfixturevalue(family)
    half = with_half_weights(model, precision)
    with torch.no_grad(), torch.autocast("cpu", dtype=precision):
        assert torch.equal(half(IDS, MASK)[0], model(IDS, MASK)[0])
    kinds = {type(module).__name__: module.weight.dtype for module in half.modules() if hasattr(module, "weight")}
    assert kinds == {"Embedding": torch.float32, "LayerNorm": torch.float32, "Linear": precision}
    words = [each.embeddings.word_embeddings.weight.data_ptr() for each in (half, model)]
    assert words[0] == words[1]
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def test_modules_kept_in_float32_share_their_weights(bert):
    half = with_half_weights(bert, torch.bfloat16, [bert.encoder.layer[-1], None])
    first, last = ({weight.dtype for weight in layer.attention.parameters()} for layer in half.encoder.layer)
    assert (first, last) == ({torch.bfloat16, torch.float32}, {torch.float32})
    dense = [model.encoder.layer[-1].output.dense.weight.data_ptr() for model in (half, bert)]
    assert dense[0] == dense[1]


@pytest.mark.parametrize(
    ("pooling", "last_layer"), [("cls", torch.float32), ("cls+pooler", torch.float32), ("mean", torch.bfloat16)]
)
def test_on_a_cpu_the_last_layer_stays_float32_if_only_the_cls_state_is_read(
    tiny_bert, monkeypatch, pooling, last_layer
):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling, precision="bfloat16")
    loaded = load_model(config, "cpu")
    models = []
    monkeypatch.setattr(
        bert_forward, "BertForward", lambda model, **options: models.append(model) or BertForward(model, **options)
    )
    torch_embed_batch(loaded, config, pooling_of(config))(IDS, MASK)
    first, last = (layer.output.dense.weight.dtype for layer in models[0].encoder.layer)
    assert (first, last) == (torch.bfloat16, last_layer)
    assert models[0].pooler.dense.weight.dtype == torch.float32


@pytest.mark.parametrize(("device", "inside"), [("cuda:1", (False, "ieee")), ("cpu", (True, "tf32"))])
def test_gpu_settings_apply_on_gpus_only_and_are_restored(device, inside):
    """Only torch's settings are read; no GPU is needed."""

    def settings():
        return torch.backends.cuda.cudnn_sdp_enabled(), torch.backends.cuda.matmul.fp32_precision

    torch.set_float32_matmul_precision("high")
    try:
        with gpu_settings(device):
            assert settings() == inside
            assert torch.backends.cuda.flash_sdp_enabled()
            assert torch.backends.cuda.mem_efficient_sdp_enabled()
        assert settings() == (True, "tf32")
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("pooling", ["cls", "max", "pooler", "flatten", "cls+mean", "last+weighted_mean"])
def test_a_forward_pass_on_a_gpu_uses_no_other_device(tiny_bert, pooling, precision):
    """torch's meta device takes the place of the GPU. A tensor of another device, or a value that the CPU reads, is an
    error there.
    """
    config = EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling, precision=precision)
    loaded = dataclasses.replace(load_model(config, "cpu"), device="cuda:0")
    loaded = dataclasses.replace(loaded, model=loaded.model.to("meta"))
    embed_batch = torch_embed_batch(loaded, config, pooling_of(config))
    ids = torch.ones(3, 7, dtype=torch.int64, device="meta")
    result = embed_batch(ids, torch.ones_like(ids))
    width = {"flatten": 7 * 32, "cls+mean": 64, "last+weighted_mean": 64}.get(pooling, 32)
    assert (result.device.type, tuple(result.reshape(3, -1).shape)) == ("meta", (3, width))
    with pytest.raises(RuntimeError, match="meta tensor"):
        result.sum().item()  # and so would any other value that the CPU reads
