"""Fixtures of the encoding tests: tiny models as transformers loads them, and the task that a worker process runs."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModel

from bert_spark.encoding import device
from tests.support import tiny_models


@pytest.fixture(scope="session")
def bert(tiny_bert):
    """Return the tiny BERT as transformers loads it: float32, in eval mode."""
    return AutoModel.from_pretrained(str(tiny_bert), dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def roberta(tmp_path_factory):
    """Return a tiny RoBERTa as transformers loads it: float32, in eval mode."""
    folder = tiny_models.roberta(tmp_path_factory.mktemp("models") / "roberta")
    return AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()


@pytest.fixture
def model_copy(tiny_bert, tmp_path):
    """Return a copy of the tiny model's folder that a test may change."""
    return shutil.copytree(tiny_bert, tmp_path / "copy")


@pytest.fixture
def task(monkeypatch):
    """Return a function that sets the running Spark task and the cards, in a process that has not used CUDA."""
    pyspark = pytest.importorskip("pyspark", reason="a task's GPUs and CPUs are read through pyspark")
    monkeypatch.setattr(device, "_only_visible", None)
    monkeypatch.setattr(device, "_visible_before", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def run(*addresses, cpus=1, cuda=True, in_task=True):
        resources = {"gpu": SimpleNamespace(addresses=list(addresses))} if addresses else {}
        context = SimpleNamespace(resources=lambda: resources, cpus=lambda: cpus) if in_task else None
        monkeypatch.setattr(pyspark.TaskContext, "get", classmethod(lambda cls: context))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)

    return run
