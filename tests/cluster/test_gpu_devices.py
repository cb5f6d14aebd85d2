"""On a real cluster: which GPU a task uses, and how often a model is loaded."""

import logging
from collections import Counter

import numpy as np
import pytest

from bert_spark import BertEncoder, EncoderConfig, with_embedding

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.cluster
ROWS, PARTITIONS = 2000, 200
FOUR = {"spark.cores.max": "4"}  # two executors of one GPU on each Worker
BOTH = {"spark.executor.cores": "2", "spark.executor.resource.gpu.amount": "2"}  # one executor with both GPUs


@pytest.mark.parametrize(
    ("conf", "processes"), [(FOUR, 4), (BOTH, 2)], ids=["one GPU per executor", "two GPUs per executor"]
)
def test_concurrent_tasks_use_different_gpus_and_a_process_loads_once_on_each(cluster, tiny_bert, conf, processes):
    """Two embeddings of 200 partitions each, in one application."""
    config = EncoderConfig(model=str(tiny_bert))
    expected = BertEncoder.from_config(config).encode([f"tweet {number}" for number in range(ROWS)])
    cluster.inject(f"cards,together={processes}")
    with cluster.application(conf) as spark:
        table = spark.range(0, ROWS, 1, PARTITIONS).selectExpr("id", "concat('tweet ', id) as text")
        for _ in range(2):
            found = table.transform(with_embedding(config)).toArrow().sort_by("id")
            assert found["id"].to_pylist() == list(range(ROWS))
            np.testing.assert_allclose(np.array(found["embedding"].to_pylist()), expected, atol=1e-5)
    loads, calls = cluster.logged("load"), cluster.logged("call")
    logger.info("worker, executor, process, GPU: %s", [place_of(line) for line in loads])
    first_calls = {line["pid"]: line for line in reversed(calls)}.values()  # of each process, made at the same time
    assert len({(line["worker"], line["device"]) for line in first_calls}) == len(first_calls) == processes
    assert len(calls) == 2 * PARTITIONS
    assert set(Counter((line["pid"], line["device"]) for line in loads).values()) == {1}
    assert {line["device"] for line in loads} == {"cuda:0", "cuda:1"}


def place_of(line):
    return line["worker"], line["daemon"], line["pid"], line["device"]
