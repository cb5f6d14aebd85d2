"""jobs/train.py --mlflow: what is logged, and the model that MLflow loads, in pandas and on Spark."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from fsspec.core import url_to_fs
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from bert_spark import BertTransformer, EncoderConfig, load_artefact, save_artefact
from bert_spark.errors import SetupError
from bert_spark.training.examples import TrainingData
from bert_spark.training.mlflow_model import TextClassifier
from bert_spark.training.mlflow_tracking import log_training
from jobs import train
from tests.support.separable_examples import EXAMPLES

mlflow = pytest.importorskip("mlflow", reason="MLflow missing: pip install 'bert-spark[mlflow]'")
pytest.importorskip("alembic", reason="MLflow's sqlite store missing: pip install alembic sqlalchemy")
TEXTS = ["so happy today", "i hate work", "", "hello world"]


def files_of(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Point MLflow at a new SQLite store and return its folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.chdir(folder)  # MLflow writes its artefacts to ./mlruns
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        yield folder
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def logged(spark, store, tiny_bert):
    """Train once with --mlflow; return the run and the artefact's folder."""
    rows = "".join(f"so {word} {number},{word}\n" for number in range(60) for word in ("happy", "sad", "good"))
    (store / "tweets.csv").write_text("text,label\n" + rows)
    options = ["--input", str(store / "tweets.csv"), "--model", str(tiny_bert), "--output", str(store / "artefact")]
    assert train.main([*options, "--mlflow"]) == 0
    (run,) = mlflow.search_runs(output_format="list")
    return run, store / "artefact"


@pytest.fixture(scope="module")
def address(logged):
    (model,) = mlflow.search_logged_models(output_format="list")
    assert model.source_run_id == logged[0].info.run_id
    return model.model_uri


def test_parameters_and_metrics_are_those_of_the_artefact(logged, tiny_bert):
    run, folder = logged
    metadata = load_artefact(folder).metadata
    assert run.data.params["encoder.model"] == str(tiny_bert)
    assert run.data.params["encoder.max_length"] == "60"
    assert run.data.params["about.head"] == "sklearn.svm.LinearSVC(C=1.0, class_weight='balanced')"
    assert run.data.params["about.fingerprint"] == metadata["fingerprint"]
    assert run.data.metrics["test.rows"] == metadata["split"]["test"]
    assert {"test.accuracy", "test.f1_weighted", "test_majority.accuracy", "seconds.fit"} <= set(run.data.metrics)


def test_reports_are_stored_with_the_run(logged):
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(logged[0].info.run_id)}
    assert {"report.html", "README.md", "metrics.json"} <= names


def test_logged_model_is_the_artefact_without_code_or_pickle(address, logged):
    folder = mlflow.artifacts.download_artifacts(address)
    files = {path.name for path in files_of(folder)}
    assert {path.name for path in logged[1].iterdir()} <= files
    assert not [name for name in files if name.endswith((".py", ".pkl", ".pickle"))]
    flavour = mlflow.models.get_model_info(address).flavors["python_function"]
    assert flavour["loader_module"] == "bert_spark.training.mlflow_model"


def test_pyfunc_predicts_as_the_pipeline_and_nothing_for_a_missing_text(address, logged):
    pipeline = load_artefact(logged[1]).pipeline
    found = mlflow.pyfunc.load_model(address).predict(pd.DataFrame({"text": [*TEXTS, None]}, index=[9, 8, 7, 6, 5]))
    assert found["label"][:-1].tolist() == pipeline.predict(TEXTS).tolist()
    assert found["margin"][:-1].tolist() == pytest.approx(pipeline.decision_function(TEXTS).max(axis=1).tolist())
    assert found.iloc[-1].isna().all()
    assert found.index.tolist() == [9, 8, 7, 6, 5]


def test_frame_of_missing_texts_gives_no_labels(address):
    found = mlflow.pyfunc.load_model(address).predict(pd.DataFrame({"text": pd.Series([None, None], dtype="object")}))
    assert found.shape == (2, 2)
    assert found.isna().all(axis=None)


def test_spark_udf_gives_the_same_labels(spark, address, logged):
    udf = mlflow.pyfunc.spark_udf(spark, address, env_manager="local")
    table = spark.createDataFrame(list(enumerate([*TEXTS, None])), "id int, body string")
    rows = table.select("id", udf("body").alias("found")).orderBy("id").collect()
    expected = load_artefact(logged[1]).pipeline.predict(TEXTS).tolist()
    assert [row.found.label for row in rows[:-1]] == expected
    assert (rows[-1].found.label, rows[-1].found.margin) == (None, None)


def test_changed_artefact_is_refused_on_loading(address, tmp_path):
    folder = mlflow.artifacts.download_artifacts(address, dst_path=str(tmp_path))
    (payload,) = [path for path in files_of(folder) if path.name == "pipeline.skops"]
    payload.write_bytes(payload.read_bytes() + b" ")
    with pytest.raises(Exception, match=r"pipeline\.skops was changed or damaged"):
        mlflow.pyfunc.load_model(folder)


def test_artefact_in_remote_storage_is_logged_from_a_copy(store, tiny_bert):
    pipeline = Pipeline([("bert", BertTransformer(model=str(tiny_bert))), ("head", LinearSVC())])
    save_artefact("memory://elsewhere/artefact", pipeline.fit(TEXTS, [0, 1, 0, 1]))
    facts = {"about": {"features": "bert"}, "split": {}, "encoder": None, "timings": {}}
    try:
        address = log_training("memory://elsewhere/artefact", {}, facts, {})
    finally:
        url_to_fs("memory://elsewhere")[0].rm("/elsewhere", recursive=True)
    found = mlflow.pyfunc.load_model(address).predict(pd.DataFrame({"text": TEXTS}))
    assert set(found["label"]) <= {"0", "1"}  # the model's signature has strings, whatever the type of the labels


def test_unusable_store_stops_the_job_before_any_work(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr("bert_spark.cli.load_training_data", lambda *_: pytest.fail("work was done"))
    before = mlflow.get_tracking_uri()
    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    try:
        assert train.main(["--input", "tweets.csv", "--output", str(tmp_path / "artefact"), "--mlflow"]) == 3
    finally:
        mlflow.set_tracking_uri(before)
    assert "set MLFLOW_TRACKING_URI, or leave --mlflow out" in caplog.text


def test_summary_is_printed_before_a_failing_mlflow(store, monkeypatch, tmp_path, caplog, capsys):
    def fail(*_):
        raise SetupError("the store is gone")

    data = TrainingData(EXAMPLES, EncoderConfig(), {"counts": {}, "warnings": []}, {})
    monkeypatch.setattr("bert_spark.cli.load_training_data", lambda _: data)
    monkeypatch.setattr("bert_spark.training.train_run.log_training", fail)
    options = ["--input", "tweets.csv", "--features", "tfidf", "--output", str(tmp_path / "artefact"), "--mlflow"]
    assert train.main(options) == 3
    assert f"artefact: {tmp_path / 'artefact'}" in capsys.readouterr().out
    assert "the store is gone" in caplog.text


def test_absent_mlflow_stops_the_job_before_any_work(monkeypatch, tmp_path, caplog):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert train.main(["--input", "tweets.csv", "--output", str(tmp_path / "artefact"), "--mlflow"]) == 3
    assert "pip install 'bert-spark[mlflow]'" in caplog.text


def test_empty_frame_gives_an_empty_frame(logged):
    found = TextClassifier(load_artefact(logged[1])).predict(pd.DataFrame({"text": pd.Series([], dtype="object")}))
    assert found.shape == (0, 2)
