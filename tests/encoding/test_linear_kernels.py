"""Linear layers by oneDNN give the numbers of PyTorch's own, in the family's forward pass and in any other model."""

import numpy as np
import pytest
import torch

from bert_spark.encoding import linear_kernels
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.linear_kernels import ONEDNN_KERNELS, TORCH_KERNELS, OneDNNLinearMode, has_onednn, kernels_for
from tests.support import tiny_models

TEXTS = ["hello", "", "happy happy sad " * 30, "hi my name is nicolas, and today is good!"]
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this PyTorch has not both MKL and oneDNN: no x86 CPU")


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return torch.nn.Linear(48, 20)


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("which", ["linear", "gelu"])
def test_onednn_gives_the_numbers_of_pytorch(which, bias):
    torch.manual_seed(0)
    layer, rows = torch.nn.Linear(48, 20, bias=bias), torch.randn(3, 7, 48)
    for part in (rows, rows[:, 0:1]):  # the second has gaps between its rows
        with torch.inference_mode():
            mine, expected = getattr(ONEDNN_KERNELS, which)(layer, part), getattr(TORCH_KERNELS, which)(layer, part)
        assert mine.shape == (3, part.shape[1], 20)
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "ways", [TORCH_KERNELS, pytest.param(ONEDNN_KERNELS, marks=needs_onednn)], ids=["plain", "onednn"]
)
def test_a_layer_computes_in_the_type_of_its_weights(layer, ways):
    if ways is ONEDNN_KERNELS and kernels_for("cpu", HALF) is TORCH_KERNELS:
        pytest.skip("this CPU has no instructions for bfloat16")
    rows = torch.randn(5, 48)
    with torch.inference_mode():
        exact = ways.gelu(layer, rows)
        half = ways.gelu(layer.to(torch.bfloat16), rows)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.02)


SINGLE, HALF = torch.float32, torch.bfloat16


@pytest.mark.parametrize(
    ("device", "types", "instructions", "there"),
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
def test_who_is_given_onednn(monkeypatch, device, types, instructions, there):
    monkeypatch.setattr(linear_kernels, "has_onednn", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: instructions)
    assert kernels_for(device, *types) is (ONEDNN_KERNELS if there else TORCH_KERNELS)


@pytest.mark.parametrize("missing", ["mkl", "mkldnn"])
def test_without_mkl_pytorch_takes_its_own_way(monkeypatch, missing):
    monkeypatch.setattr(getattr(torch.backends, missing), "is_available", lambda: False)
    assert not has_onednn()
    assert kernels_for("cpu", SINGLE) is TORCH_KERNELS


@needs_onednn
def test_the_context_takes_float32_layers_of_any_model(layer, monkeypatch):
    seen = []
    product = linear_kernels._product
    monkeypatch.setattr(linear_kernels, "_product", lambda *given: seen.append(given) or product(*given))
    rows = torch.randn(5, 48)
    with torch.inference_mode():
        expected = layer(rows)
        with OneDNNLinearMode():
            torch.testing.assert_close(layer(rows), expected, rtol=0, atol=1e-5)
            half = layer.to(torch.bfloat16)(rows.to(torch.bfloat16))
    assert (len(seen), half.dtype) == (1, torch.bfloat16)


@needs_onednn
@pytest.mark.parametrize("name", ["roberta", "distilbert"])
def test_an_encoder_gives_what_it_gives_without_it(tmp_path, monkeypatch, name):
    """Of the family and with a forward pass of its own."""
    config = EncoderConfig(model=str(tiny_models.ARCHITECTURES[name](tmp_path / name)), device="cpu", pooling="mean")
    seen = []
    product = linear_kernels._product
    monkeypatch.setattr(linear_kernels, "_product", lambda *given: seen.append(1) or product(*given))
    mine = BertEncoder.from_config(config).encode(TEXTS)
    assert seen
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    seen.clear()
    np.testing.assert_allclose(mine, BertEncoder.from_config(config).encode(TEXTS), rtol=0, atol=1e-5)
    assert not seen


@needs_onednn
def test_what_onednn_keeps_does_not_grow_with_the_shapes_that_went_by(run_fresh):
    """With the libraries' own limit of 1,024 shapes each these 500 are 390 MB."""
    megabytes = run_fresh("""
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
