"""On a real cluster with speculative execution: two copies of a task write at once, and one of them is committed."""

import pytest

from tests.support.keyed_tweets import check_output, embed_tweets, tasks_per_partition

pytestmark = pytest.mark.cluster
EAGER = {
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.interval": "100ms",
    "spark.speculation.minTaskRuntime": "100ms",
}


def test_speculative_copies_duplicate_no_row(cluster, tiny_bert, tmp_path):
    """A task waits until its copy runs too. Then both run to their end."""
    cluster.inject("straggler")
    with cluster.application(EAGER):
        embed_tweets(tiny_bert, tmp_path)
    assert max(tasks_per_partition(cluster).values()) == 2
    check_output(tmp_path, tiny_bert)
