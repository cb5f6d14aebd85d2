"""Linear layers computed by oneDNN give the same numbers as PyTorch's own, in every model."""

import numpy as np
import pytest
import torch

from bert_spark.encoding import linear_kernels
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.linear_kernels import ONEDNN_KERNELS, TORCH_KERNELS, OneDNNLinearMode, has_onednn, kernels_for
from tests.support import tiny_models

TEXTS = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas, and today is good!"]
SINGLE, HALF = torch.float32, torch.bfloat16
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="needs PyTorch with MKL and oneDNN, on an x86 CPU")


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return torch.nn.Linear(48, 20)


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("which", ["linear", "gelu"])
def test_onednn_equals_pytorch(which, bias):
    torch.manual_seed(0)
    layer, rows = torch.nn.Linear(48, 20, bias=bias), torch.randn(3, 7, 48)
    for part in (rows, rows[:, 0:1]):  # the second has gaps between its rows
        with torch.inference_mode():
            actual, expected = getattr(ONEDNN_KERNELS, which)(layer, part), getattr(TORCH_KERNELS, which)(layer, part)
        assert actual.shape == (3, part.shape[1], 20)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "kernels", [TORCH_KERNELS, pytest.param(ONEDNN_KERNELS, marks=needs_onednn)], ids=["torch", "onednn"]
)
def test_a_layer_computes_in_the_type_of_its_weights(layer, kernels):
    if kernels is ONEDNN_KERNELS and kernels_for("cpu", HALF) is TORCH_KERNELS:
        pytest.skip("this CPU has no instructions for bfloat16")
    rows = torch.randn(5, 48)
    with torch.inference_mode():
        exact = kernels.gelu(layer, rows)
        half = kernels.gelu(layer.to(torch.bfloat16), rows)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("device", "types", "instructions", "onednn"),
    [
        ("cpu", {SINGLE}, False, True),
        ("cpu", {HALF, SINGLE}, True, True),
        ("cpu", {HALF, SINGLE}, False, False),
        ("cpu", {torch.float16, SINGLE}, True, False),
        ("cpu", {torch.float64}, True, False),
        ("cuda:0", {SINGLE}, True, False),
        ("cuda:0", {HALF}, True, False),
    ],
)
def test_kernels_depend_on_device_and_weight_types(monkeypatch, device, types, instructions, onednn):
    monkeypatch.setattr(linear_kernels, "has_onednn", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: instructions)
    assert kernels_for(device, *types) is (ONEDNN_KERNELS if onednn else TORCH_KERNELS)


@pytest.mark.parametrize("missing", ["mkl", "mkldnn"])
def test_pytorch_kernels_are_used_without_mkl_or_onednn(monkeypatch, missing):
    monkeypatch.setattr(getattr(torch.backends, missing), "is_available", lambda: False)
    assert not has_onednn()
    assert kernels_for("cpu", SINGLE) is TORCH_KERNELS


@needs_onednn
def test_the_context_computes_only_float32_layers_with_onednn(layer, monkeypatch):
    calls = []
    product = linear_kernels._product
    monkeypatch.setattr(linear_kernels, "_product", lambda *args: calls.append(args) or product(*args))
    rows = torch.randn(5, 48)
    with torch.inference_mode():
        expected = layer(rows)
        with OneDNNLinearMode():
            torch.testing.assert_close(layer(rows), expected, rtol=0, atol=1e-5)
            half = layer.to(torch.bfloat16)(rows.to(torch.bfloat16))
    assert (len(calls), half.dtype) == (1, torch.bfloat16)


@needs_onednn
@pytest.mark.parametrize("name", ["roberta", "distilbert"])
def test_an_encoder_gives_the_same_vectors_without_onednn(tmp_path, monkeypatch, name):
    """RoBERTa is of the BERT family, and DistilBERT runs its own forward pass."""
    config = EncoderConfig(model=str(tiny_models.ARCHITECTURES[name](tmp_path / name)), device="cpu", pooling="mean")
    calls = []
    product = linear_kernels._product
    monkeypatch.setattr(linear_kernels, "_product", lambda *args: calls.append(1) or product(*args))
    with_onednn = BertEncoder.from_config(config).encode(TEXTS)
    assert calls
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    calls.clear()
    np.testing.assert_allclose(with_onednn, BertEncoder.from_config(config).encode(TEXTS), rtol=0, atol=1e-5)
    assert not calls


@needs_onednn
def test_cached_kernels_do_not_grow_with_the_number_of_shapes(run_forked):
    """With the libraries' own limits of 1,024 shapes the 500 shapes take 390 MB."""
    megabytes = run_forked("""
import psutil, torch
from bert_spark.encoding.linear_kernels import ONEDNN_KERNELS
layer = torch.nn.Linear(384, 384)
def grown(first, last):
    before = psutil.Process().memory_info().rss
    with torch.inference_mode():
        for rows in range(first, last):
            ONEDNN_KERNELS.gelu(layer, torch.ones(rows, 384))
    return (psutil.Process().memory_info().rss - before) / 1e6
grown(1, 200)
print(grown(200, 700))
""")
    assert float(megabytes) < 150
