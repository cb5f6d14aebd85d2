"""On a real cluster with speculative execution: two copies of one task write at once, and one of them counts."""

import pytest

from tests.support.keyed_tweets import attempts, check, run

pytestmark = pytest.mark.cluster
EAGER = {
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.interval": "100ms",
    "spark.speculation.minTaskRuntime": "100ms",
}


def test_speculative_copies_double_no_row(cluster, tiny_bert, tmp_path):
    """A task waits in the middle until its copy runs beside it; then both go on to their ends."""
    cluster.inject("straggler")
    with cluster.application(EAGER):
        run(tiny_bert, tmp_path)
    assert max(attempts(cluster).values()) == 2
    check(tmp_path, tiny_bert)
