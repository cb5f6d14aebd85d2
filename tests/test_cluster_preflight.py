"""The pre-flight on a real cluster: it names the executor that differs, the model that only the driver sees."""

import pytest
from cluster import ROOT

pytestmark = pytest.mark.cluster
pytest_plugins = ["cluster"]
EMBED = ROOT / "jobs" / "embed.py"
TWO = {"spark.cores.max": "2"}  # one executor on each Worker


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,hi\n")
    return path


def test_check_shows_every_executor_and_reads_no_row(cluster, tiny_bert, table, tmp_path):
    options = ["--input", table, "--model", tiny_bert, "--output", tmp_path / "out", "--check"]
    printed = cluster.submit(EMBED, *options, conf=TWO).wait()
    assert len([line for line in printed.splitlines() if ", executor " in line and line.rstrip().endswith("cpu")]) == 2
    assert "ok: nothing found" in printed
    assert not (tmp_path / "out").exists()


def test_a_model_that_only_the_driver_sees_is_named_for_each_executor(cluster, tiny_bert, table, tmp_path):
    options = ["--input", table, "--model", "drivers_own", "--output", tmp_path / "out"]
    printed = cluster.submit(EMBED, *options, model=tiny_bert, conf=TWO).wait(code=3)
    assert printed.count("model 'drivers_own' (revision main) can't be had: no such folder here") == 2
    assert "put it on a path that all see" in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "out").exists()
