"""The pre-flight on a real cluster: executors that differ, and a model or an artefact that only the driver can read."""

import pytest
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from bert_spark import BertTransformer
from bert_spark.artefact.saving import save_artefact
from bert_spark.spark import preflight
from jobs import embed, score
from tests.support.standalone_cluster import ROOT, rows_of

pytestmark = pytest.mark.cluster
# A package that shadows the real one, loads it, and changes its version.
OTHER_TORCH = """
import importlib, os, sys
sys.path.remove(os.path.dirname(os.path.dirname(__file__)))
del sys.modules["torch"]
importlib.import_module("torch").__version__ = "2.6.0"
"""
NO_TRANSFORMERS = "raise ImportError('no such package')"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,so happy\n2,so sad\n")
    return path


@pytest.fixture
def driver_folder(tmp_path, monkeypatch):
    """Run the driver in a folder of its own: executors read a relative path in theirs."""
    folder = tmp_path / "driver"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_check_shows_every_executor_and_reads_no_row(cluster, tiny_bert, table, tmp_path):
    options = ["--input", table, "--model", tiny_bert, "--output", tmp_path / "out", "--check"]
    printed = cluster.submit(ROOT / "jobs" / "embed.py", *options)
    assert len([line for line in printed.splitlines() if ", executor " in line and line.rstrip().endswith("cpu")]) == 2
    assert printed.count("Spark gives this executor a GPU, but torch sees none: BERT will run on its CPU") >= 2
    assert "refused" not in printed
    assert not (tmp_path / "out").exists()


def test_executors_that_differ_from_the_driver_are_refused_by_name(
    cluster, tiny_bert, table, tmp_path, driver_folder, caplog
):
    """Of four executors, one has another torch, one has no transformers, and none can read the driver's folder."""
    (driver_folder / "own_model").symlink_to(tiny_bert)
    different = []
    for name, code in {"torch": OTHER_TORCH, "transformers": NO_TRANSFORMERS}.items():
        (tmp_path / f"odd_{name}" / name).mkdir(parents=True)
        (tmp_path / f"odd_{name}" / name / "__init__.py").write_text(code)
        different += cluster.start_workers(f"odd_{name}", PYTHONPATH=str(tmp_path / f"odd_{name}"))
    arguments = ["--input", str(table), "--model", "own_model", "--output", str(tmp_path / "out")]
    try:
        with cluster.application({"spark.cores.max": "4"}):
            assert embed.main(arguments) == 3
    finally:
        cluster.stop(*different)
    message = caplog.messages[-1]
    assert message.count("model 'own_model' (revision main) not found: no such folder here") == 3
    assert message.count("put it on a path that every executor can read") == 3
    assert message.count("torch 2.6.0, the driver has 2.") == 1
    assert message.count("transformers can't be imported (ImportError: no such package)") == 1
    assert not (tmp_path / "out").exists()


def test_an_artefact_that_only_the_driver_can_read_is_sent_or_refused(
    cluster, tiny_bert, table, tmp_path, driver_folder, monkeypatch, caplog
):
    pipeline = Pipeline([("bert", BertTransformer(model=str(tiny_bert))), ("head", LinearSVC())])
    pipeline.fit(["so happy", "so sad"] * 3, ["joy", "sadness"] * 3)
    save_artefact(driver_folder / "own_artefact", pipeline)
    arguments = ["--input", str(table), "--artefact", "own_artefact", "--output", str(tmp_path / "out")]
    with cluster.application():
        monkeypatch.setattr(preflight, "can_ship_artefacts", lambda spark: False)  # as on Spark 3.5
        assert score.main(arguments) == 3
        refused = "artefact 'own_artefact' can't be read here, and the session did not send it"
        assert caplog.messages[-1].count(refused) == 2
        assert not (tmp_path / "out").exists()
        monkeypatch.undo()
        monkeypatch.chdir(driver_folder)
        assert score.main(arguments) == 0
    assert {row["text"]: row["label"] for row in rows_of(tmp_path / "out")} == {"so happy": "joy", "so sad": "sadness"}
