"""On a real cluster: which card a task uses, and how often a model is loaded."""

import logging
from collections import Counter

import numpy as np
import pytest

from bert_spark import BertEncoder, EncoderConfig, with_embedding

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.cluster
ROWS, PARTITIONS = 2000, 200
FOUR = {"spark.cores.max": "4"}  # two executors of one card on each Worker
BOTH = {"spark.executor.cores": "2", "spark.executor.resource.gpu.amount": "2"}  # one executor with both cards


@pytest.mark.parametrize(("conf", "processes"), [(FOUR, 4), (BOTH, 2)], ids=["a card an executor", "both in one"])
def test_tasks_at_once_have_different_cards_and_each_process_loads_once_on_each(cluster, tiny_bert, conf, processes):
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
    loads, calls = cluster.seen("load"), cluster.seen("call")
    logger.info("worker, executor, process, card: %s", [told(line) for line in loads])
    at_once = {line["pid"]: line for line in reversed(calls)}.values()  # each one's first call, when all were in theirs
    assert len({(line["worker"], line["device"]) for line in at_once}) == len(at_once) == processes
    assert len(calls) == 2 * PARTITIONS
    assert set(Counter((line["pid"], line["device"]) for line in loads).values()) == {1}
    assert {line["device"] for line in loads} == {"cuda:0", "cuda:1"}


def told(line):
    return line["worker"], line["daemon"], line["pid"], line["device"]
