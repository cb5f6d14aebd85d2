"""What an executor reports about its own device."""

import pytest
import torch

from bert_spark import EncoderConfig
from bert_spark.spark.process_facts import executor_facts


@pytest.mark.parametrize(
    ("device", "addresses", "warned"), [("auto", ["0"], True), ("auto", None, False), ("cpu", ["0"], False)]
)
def test_a_gpu_that_torch_does_not_see_is_a_warning(tiny_bert, monkeypatch, device, addresses, warned):
    monkeypatch.setattr("bert_spark.encoding.device.task_gpu_addresses", lambda: addresses)
    facts = executor_facts(EncoderConfig(model=str(tiny_bert), device=device).settings())
    text = "Spark gives this executor a GPU, but torch sees none: BERT will run on its CPU"
    assert (facts["device"], facts["problems"], facts.get("warnings", [])) == ("cpu", [], [text] if warned else [])


def test_a_processor_without_8_bit_products_is_a_problem(tiny_bert, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    settings = EncoderConfig(model=str(tiny_bert), engine="openvino", precision="int8").settings()
    *_, problem = executor_facts(settings)["problems"]
    assert problem.startswith("precision='int8' needs a processor with VNNI or AMX, that of ")


def test_a_gpu_number_that_does_not_exist_is_a_problem(tiny_bert, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def properties(device):
        raise AssertionError("Invalid device id")

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    facts = executor_facts(EncoderConfig(model=str(tiny_bert), device="cuda:3").settings())
    assert facts["problems"] == ["device 'cuda:3' can't be used (Invalid device id)"]
