"""The pre-flight on a real cluster: each executor shown; one that differs, a model that only the driver sees, named."""

import pytest
from cluster import ROOT

from jobs import embed

pytestmark = pytest.mark.cluster
THREE = {"spark.cores.max": "3"}  # one executor on each Worker, the odd one too
# A package in front of the real one: the real one, under another version.
OTHER_TORCH = """
import importlib, os, sys
sys.path.remove(os.path.dirname(os.path.dirname(__file__)))
del sys.modules["torch"]
importlib.import_module("torch").__version__ = "2.6.0"
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,hi\n")
    return path


def test_check_shows_every_executor_and_reads_no_row(cluster, tiny_bert, table, tmp_path):
    options = ["--input", table, "--model", tiny_bert, "--output", tmp_path / "out", "--check"]
    printed = cluster.submit(ROOT / "jobs" / "embed.py", *options)
    assert len([line for line in printed.splitlines() if ", executor " in line and line.rstrip().endswith("cpu")]) == 2
    assert "ok: nothing found" in printed
    assert not (tmp_path / "out").exists()


def test_what_would_fail_later_is_refused_with_the_executor_named(
    cluster, tiny_bert, table, tmp_path, monkeypatch, caplog
):
    """Of three executors one has another torch, one no transformers; none sees a model of the driver's own folder."""
    for name, code in {"torch": OTHER_TORCH, "transformers": "raise ImportError('no such package')"}.items():
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / name / "__init__.py").write_text(code)
