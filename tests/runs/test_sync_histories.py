"""No row is stale, lost or doubled after random histories in which runs die. A sample runs always, 100 with -m slow."""

import pytest

from tests.support.sync_histories import Walk
from tests.support.synced_table import SyncedTable


def problems_of(seed, steps, deaths, spark, tiny_bert, folder):
    """Go through `steps` runs, each of which dies at `deaths` moments; return what is wrong after each."""
    (folder / "runs").mkdir()
    walk = Walk(seed, SyncedTable(spark, tiny_bert, folder / "runs"), folder / "copies")
    assert walk.start() == 0
    return [f"step {number}: {problem}" for number in range(steps) for problem in walk.step(deaths)]


def test_no_row_is_stale_after_runs_that_died(spark, tiny_bert, tmp_path):
    assert problems_of(1, 1, 3, spark, tiny_bert, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_no_row_is_stale_after_100_runs_that_died(spark, tiny_bert, tmp_path, seed):
    assert problems_of(seed, 2, 5, spark, tiny_bert, tmp_path) == []
