"""precision="auto" is resolved once, when the settings are made."""

import time

import pytest
import torch

from bert_spark.encoding import precision
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.estimators.bert_transformer import BertTransformer

AMD = {"avx512_bf16": True, "amx_bf16": False, "cpu_name": "AMD EPYC"}
AMX = {"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}
INTEL = AMX | {"amx_bf16": False}
OLD_AMD = AMD | {"avx512_bf16": False}


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets the processor, whether torch has oneDNN, and the first of two cards."""

    def make(processor=AMD, *, onednn=True, capability=None):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
        cards = [capability, (8, 0)]
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda card: cards[card])

    return make


@pytest.mark.parametrize(
    ("kind", "device", "picked"),
    [
        ({"processor": AMD}, "auto", "bfloat16"),
        ({"processor": AMX}, "cpu", "bfloat16"),
        ({"processor": INTEL}, "cpu", "float32"),
        ({"processor": OLD_AMD}, "cpu", "float32"),
        ({"processor": {"architecture": "aarch64"}}, "cpu", "float32"),
        ({"processor": AMD, "onednn": False}, "cpu", "float32"),
        ({"capability": (8, 0), "processor": INTEL}, "auto", "float16"),
        ({"capability": (7, 5), "processor": INTEL}, "cuda", "float16"),
        ({"capability": (6, 1), "processor": INTEL}, "cuda", "float32"),
        ({"capability": (6, 1), "processor": INTEL}, "cuda:1", "float16"),  # the second card is newer
        ({"capability": (6, 1)}, "cuda:2", "float32"),  # only executors have it: the first card decides
        ({"capability": (8, 0), "processor": INTEL}, "cpu", "float32"),
    ],
    ids=str,
)
def test_auto_picks_half_precision_if_it_is_faster(machine, kind, device, picked):
    machine(**kind)
    assert precision.pick_precision(device) == picked


def test_config_stores_the_picked_precision(machine, tiny_bert):
    machine(AMD)
    config = EncoderConfig(model=str(tiny_bert), precision="auto", device="cpu")
    assert config.settings()["precision"] == "bfloat16"
    explicit = EncoderConfig(model=str(tiny_bert), precision="bfloat16", device="cpu")
    assert (config, config_fingerprint(config)) == (explicit, config_fingerprint(explicit))


def test_explicit_float32_is_kept_if_bfloat16_is_faster(machine):
    machine(AMD)
    assert EncoderConfig(device="cpu").precision == "float32"


def test_a_fitted_transformer_keeps_its_picked_precision(machine, tiny_bert):
    machine(AMD)
    bert = BertTransformer(model=str(tiny_bert), precision="auto", device="cpu").fit(["hello"])
    machine(INTEL)
    assert (bert.get_params()["precision"], bert.config.precision) == ("auto", "bfloat16")
    assert bert.fit(["hello"]).config.precision == "float32"


def test_the_choice_does_not_depend_on_the_clock(machine, monkeypatch):
    """The fingerprint depends on it: a busy machine must not refuse its own output."""
    machine(AMD)
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("the choice reads the clock"))
    assert precision.pick_precision("cpu") == "bfloat16"


def test_this_machine_says_what_its_processor_is():
    processor = torch.cpu.get_capabilities()
    assert {"cpu_name", "architecture"} <= processor.keys()
    if processor["architecture"] == "x86_64":
        assert {"avx512_bf16", "amx_bf16"} <= processor.keys()
