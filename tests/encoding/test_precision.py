"""precision="auto" is resolved once, when the settings are made."""

import logging

import pytest
import torch

from bert_spark.encoding import precision
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.estimators.bert_transformer import BertTransformer


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets the CPU's speed-up and the CUDA capability of the first of two cards."""

    def make(*, instructions=True, gain=2.0, capability=None):
        monkeypatch.setattr(precision, "_has_bfloat16_instructions", lambda: instructions)
        monkeypatch.setattr(precision, "bfloat16_speedup", lambda: gain)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
        cards = [capability, (8, 0)]
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda card: cards[card])

    return make


@pytest.mark.parametrize(
    ("kind", "device", "picked"),
    [
        ({"gain": 2.2}, "auto", "bfloat16"),
        ({"gain": 1.2}, "auto", "float32"),  # a small gain is lost to casts between layers
        ({"gain": 0.5}, "cpu", "float32"),  # AVX512_BF16 without AMX
        ({"gain": 2.2, "instructions": False}, "cpu", "float32"),
        ({"capability": (8, 0), "gain": 0.5}, "auto", "float16"),
        ({"capability": (7, 5), "gain": 0.5}, "cuda", "float16"),
        ({"capability": (6, 1), "gain": 0.5}, "cuda", "float32"),
        ({"capability": (6, 1), "gain": 0.5}, "cuda:1", "float16"),  # the second card is newer
        ({"capability": (6, 1), "gain": 0.5}, "cuda:2", "float32"),  # only executors have it: the first card decides
        ({"capability": (8, 0), "gain": 0.5}, "cpu", "float32"),
    ],
    ids=str,
)
def test_auto_picks_half_precision_if_it_is_faster(machine, kind, device, picked):
    machine(**kind)
    assert precision.pick_precision(device) == picked


def test_config_stores_the_picked_precision(machine, tiny_bert):
    machine(gain=2.0)
    config = EncoderConfig(model=str(tiny_bert), precision="auto", device="cpu")
    assert config.settings()["precision"] == "bfloat16"
    explicit = EncoderConfig(model=str(tiny_bert), precision="bfloat16", device="cpu")
    assert (config, config_fingerprint(config)) == (explicit, config_fingerprint(explicit))


def test_explicit_float32_is_kept_if_bfloat16_is_faster(machine):
    machine(gain=3.0)
    assert EncoderConfig(device="cpu").precision == "float32"


def test_a_fitted_transformer_keeps_its_picked_precision(machine, tiny_bert):
    machine(gain=2.0)
    bert = BertTransformer(model=str(tiny_bert), precision="auto", device="cpu").fit(["hello"])
    machine(gain=0.5)
    assert (bert.get_params()["precision"], bert.config.precision) == ("auto", "bfloat16")
    assert bert.fit(["hello"]).config.precision == "float32"


def test_measured_speedup_is_logged(machine, caplog):
    machine(gain=0.53)
    with caplog.at_level(logging.INFO):
        precision.pick_precision("cpu")
    assert "bfloat16 multiplies matrices 0.5 times as fast as float32 here" in caplog.text


def test_measured_speedup_is_plausible():
    assert 0.1 < precision.bfloat16_speedup() < 30
