"""What version 0.1.0 saved loads and goes on: its files are in data/before_0_2, with the values that it gave itself.

Modules have moved since then, and the files name the old ones: artefacts, pickles, MLflow's models, pyspark.ml's.
data/before_0_2/make.py says how each file was made.
"""

import json
import pickle
import re
import shutil
import sqlite3
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyspark
import pytest
from pyspark.ml import Pipeline, PipelineModel

from bert_spark import (
    BertEmbedder,
    BertEncoder,
    BertTransformer,
    EncoderConfig,
    SparkEncoder,
    TextCleaner,
    load_artefact,
    save_artefact,
    with_embedding,
    with_score,
)
from bert_spark.tables.provenance import TEXT_KEY
from jobs import embed, history, score, train
from tests.support.artefacts import forge
from tests.support.row_counter import rows_through_python

SAVED = Path(__file__).resolve().parent / "data" / "before_0_2"
ARTEFACTS = ["bert", "hybrid"]
made_with = tuple(map(int, pyspark.__version__.split(".")[:2])) >= (4, 3)
of_spark = pytest.mark.skipif(not made_with, reason="Spark 4.3 wrote these files; an older one need not read them")


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Go to a copy of what was saved. Its models are called "model", from there, and __ROOT__ was where it lay."""
    shutil.copytree(SAVED, tmp_path, dirs_exist_ok=True)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if b"__ROOT__" in data:
            path.write_bytes(data.replace(b"__ROOT__", str(tmp_path).encode()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(name):
    """Return what the version that saved it gave."""
    return json.loads((SAVED / name / "expected.json").read_text(encoding="utf-8"))


def close(found, wanted):
    np.testing.assert_allclose(np.array(found, dtype=float), wanted, rtol=0, atol=1e-5)


def labels_in(spark, folder, name):
    """Return partition -> key -> label; a key that is there twice is refused."""
    rows = spark.read.parquet(str(folder)).select(name, "key", "label").collect()
    assert len({row.key for row in rows}) == len(rows)
    found = {}
    for row in rows:
        found.setdefault(str(row[0]), {})[row.key] = row.label
    return found


def files(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- artefacts


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_gives_its_labels_and_values(saved, name):
    wanted = expected(name)
    loaded = load_artefact(saved / name / "artefact", wanted["digest"])
    assert loaded.pipeline.predict(wanted["texts"]).tolist() == wanted["labels"]
    close(loaded.decision(wanted["texts"]), wanted["values"])
    about = (loaded.fingerprint, loaded.labels.tolist(), loaded.gives_probabilities)
    assert about == (wanted["fingerprint"], wanted["classes"], wanted["probabilities"])


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_gives_its_labels_on_spark(spark, saved, name):
    wanted = expected(name)
    table = spark.createDataFrame(list(enumerate(wanted["texts"])), "id int, text string")
    rows = table.transform(with_score(str(saved / name / "artefact"))).orderBy("id").collect()
    assert [row.label for row in rows] == wanted["labels"]
    close([row.margin for row in rows], np.max(wanted["values"], axis=1))


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_saved_anew_gives_the_same(saved, name):
    wanted = expected(name)
    save_artefact(saved / "anew", load_artefact(saved / name / "artefact").pipeline, bundle=True)
    anew = load_artefact(saved / "anew")
    close(anew.decision(wanted["texts"]), wanted["values"])
    assert anew.fingerprint == wanted["fingerprint"]


@pytest.mark.parametrize("kind", ["BertTransformer", "TextCleaner"])
def test_an_attribute_that_is_no_setting_is_refused_under_the_old_name_too(saved, kind):
    folder = saved / "hybrid" / "artefact"
    with zipfile.ZipFile(folder / "pipeline.skops") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content["schema.json"])
    attributes = node_of(schema, f"bert_spark.transformer.{kind}")["content"]["content"]
    attributes["elsewhere"] = attributes["clean"]
    with zipfile.ZipFile(saved / "forged", "w") as archive:
        for name, data in (content | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, data)
    forge(folder, (saved / "forged").read_bytes())
    with pytest.raises(RuntimeError, match=r"with unexpected attributes: \['elsewhere'\]"):
        load_artefact(folder)


def node_of(part, name):
    """Return the node of the object that the schema calls by this dotted name."""
    if isinstance(part, list):
        return next(filter(None, (node_of(one, name) for one in part)), None)
    if not isinstance(part, dict):
        return None
    if f"{part.get('__module__')}.{part.get('__class__')}" == name:
        return part
    return node_of(list(part.values()), name)


# ---- what others keep: MLflow, pickle, joblib, pyspark.ml


@pytest.mark.filterwarnings("ignore")  # that it asks for bert-spark 0.1.0
def test_a_model_of_mlflow_gives_its_labels_and_margins(saved):
    mlflow = pytest.importorskip("mlflow", reason="MLflow missing: pip install 'bert-spark[mlflow]'")
    wanted = expected("mlflow")
    found = mlflow.pyfunc.load_model("mlflow/model").predict(pd.DataFrame({"text": [*wanted["texts"], None]}))
    assert found["label"][:-1].tolist() == wanted["labels"]
    close(found["margin"][:-1], wanted["margins"])
    assert found.iloc[-1].isna().all()


@pytest.mark.parametrize("ending", ["pickle", "joblib"])
@pytest.mark.parametrize("name", ["linear_svc", "fast_linear_svc"])
def test_a_pickled_pipeline_gives_its_labels_and_values(saved, name, ending):
    texts, wanted = expected("pickles")["texts"], expected("pickles")[name]
    path = saved / "pickles" / f"{name}.{ending}"
    pipeline = joblib.load(path) if ending == "joblib" else pickle.loads(path.read_bytes())
    assert pipeline.predict(texts).tolist() == wanted["labels"]
    close(pipeline.decision_function(texts), wanted["values"])
    assert isinstance(pipeline[0], BertTransformer)


def test_pickled_settings_and_steps_are_what_they_were(saved):
    parts = pickle.loads((saved / "pickles" / "parts.pickle").read_bytes())
    assert parts["config"] == EncoderConfig(model="model", max_length=12)
    assert isinstance(parts["cleaner"], TextCleaner)
    assert parts["cleaner"].transform(expected("pickles")["texts"]) == expected("pickles")["cleaned"]
    encoder = parts["elsewhere"].encoder
    assert (type(encoder), encoder.partitions) == (SparkEncoder, 2)


def test_remembered_vectors_are_found_again(saved):
    wanted = expected("remembered")
    before = contents(saved)
    bert = BertTransformer(model="model", memory="remembered")
    close(bert.fit_transform(wanted["texts"]), wanted["vectors"])
    assert contents(saved) == before  # what BERT makes is put there


def contents(saved):
    (path,) = (saved / "remembered").glob("*.sqlite")
    with sqlite3.connect(path) as store:
        return store.execute("SELECT key, vector FROM vectors ORDER BY key").fetchall()


@pytest.fixture
def table(spark):
    texts = [(n, text, float(n % 2)) for n, text in enumerate(expected("spark_ml")["texts"])]
    return spark.createDataFrame(texts, "id int, text string, label double")


def test_a_saved_embedder_gives_its_vectors(table, saved):
    wanted = expected("spark_ml")
    embedder = BertEmbedder.load(str(saved / "spark_ml" / "embedder"))
    assert embedder.uid == wanted["uid"]
    assert embedder.config == EncoderConfig(model=str(saved / "model"), max_length=12, pooling="mean")
    close([row.vector for row in embedder.transform(table).orderBy("id").collect()], wanted["vectors"])


@of_spark
def test_a_fitted_pipeline_of_spark_gives_its_probabilities(table, saved):
    model = PipelineModel.load(str(saved / "spark_ml" / "fitted"))
    assert isinstance(model.stages[0], BertEmbedder)
    rows = model.transform(table).orderBy("id").collect()
    close([row.probability for row in rows], expected("spark_ml")["probabilities"])


@of_spark
def test_an_unfitted_pipeline_of_spark_has_its_embedder(saved):
    first, *_ = Pipeline.load(str(saved / "spark_ml" / "pipeline")).getStages()
    assert (type(first), first.uid) == (BertEmbedder, expected("spark_ml")["uid"])
    assert first.config == EncoderConfig(model=str(saved / "model"), max_length=12, pooling="mean")


# ---- embeddings


def test_stored_vectors_are_those_of_this_version(spark, saved):
    rows = spark.read.parquet(str(saved / "embeddings" / "vectors"))
    encoder = BertEncoder.from_config(EncoderConfig(model="model"))
    found = rows.select("text", "embedding").collect()
    close(encoder.encode([row.text for row in found]), [row.embedding for row in found])
    metadata = rows.schema["embedding"].metadata
    now = rows.select("text").transform(with_embedding(encoder.config)).schema["embedding"].metadata
    assert metadata | {TEXT_KEY: "text"} == now


def test_stored_vectors_are_reused(spark, saved, capfd):
    texts = pd.read_csv("tweets.csv")["text"].tolist()
    pd.DataFrame({"text": [*texts, "one more"]}).to_csv("more.csv", index=False)
    base = ["--input", f"{saved}/more.csv", "--model", f"{saved}/model", "--output", f"{saved}/again"]
    assert embed.main([*base, "--reuse", f"{saved}/embeddings/vectors"]) == 0
    assert f"texts reused {len(texts)}" in capfd.readouterr().out
    again = {row.text: row.embedding for row in spark.read.parquet(f"{saved}/again").collect()}
    stored = spark.read.parquet(f"{saved}/embeddings/vectors").collect()
    assert {row.text: row.embedding for row in stored} == {text: again[text] for text in texts}


@pytest.mark.parametrize(("settings", "options"), [("default", []), ("best", ["--config", "embeddings/best.toml"])])
def test_stored_vectors_and_settings_train(saved, settings, options):
    base = ["--embeddings", "embeddings/vectors", "--output", "trained", "--no-baseline"]
    assert train.main([*base, *options]) == 0
    trained, wanted = load_artefact("trained"), expected("embeddings")
    assert trained.fingerprint == wanted["fingerprint"]
    assert trained.pipeline.predict(wanted["texts"]).tolist() == wanted["labels"][settings]


# ---- scheduled runs


@pytest.fixture
def by_day(saved):
    """Return a function that runs jobs/score.py for a day on what was left of 0.1.0's runs."""

    source = ["--format", "json", "--input", f"{saved}/days/tweets/{{run_date}}.json"]
    base = [*source, "--output", f"{saved}/days/scores", "--run-date"]
    return lambda day, artefact="bert/artefact": score.main([*base, day, "--artefact", f"{saved}/{artefact}"])


def staged(saved):
    """Return the status of staged rows by their partition."""
    states = [json.loads(path.read_text()) for path in (saved / "days" / "_staging" / "scores").glob("*/state.json")]
    return {partition: state["status"] for state in states for partition in state["partitions"]}


def test_what_killed_runs_have_staged_is_published_without_bert(spark, saved, by_day, caplog):
    """They were killed before and after the audit of their rows, and the lock is the last one's."""
    left = {"run_date=2026-11-21": "refused", "run_date=2026-11-23": "audited", "run_date=2026-11-24": "staged"}
    assert staged(saved) == left
    with rows_through_python(spark) as rows:
        assert by_day("2026-11-26") == 0  # has no input
    assert rows == []
    wanted = expected("days")["labels"]
    del wanted["2026-11-25"]
    assert labels_in(spark, saved / "days" / "scores", "run_date") == wanted
    assert staged(saved) == {"run_date=2026-11-21": "refused"}
    assert re.search(r"taking over the lock of run score .*/days/scores \(process 1 on a machine", caplog.text)


def test_the_next_day_is_added_and_bert_runs_for_its_rows_alone(spark, saved, by_day):
    with rows_through_python(spark) as rows:
        assert by_day("2026-11-25") == 0
    assert rows == [3]
    assert labels_in(spark, saved / "days" / "scores", "run_date") == expected("days")["labels"]


def test_published_rows_say_whose_they_are_and_others_are_refused(saved, by_day, caplog):
    before = files(saved / "days" / "scores")
    assert by_day("2026-11-25", artefact="hybrid/artefact") == 1
    assert f"holds vectors of encoder {expected('bert')['fingerprint'][:12]}" in caplog.text
    save_artefact(saved / "anew", load_artefact(saved / "bert" / "artefact").pipeline, bundle=True)
    assert by_day("2026-11-25", artefact="anew") == 1
    assert f"holds labels of artefact {expected('bert')['digest'][:12]}" in caplog.text
    assert files(saved / "days" / "scores") == before


def test_the_records_of_runs_are_shown(saved, capsys):
    assert history.main(["--output", "days/scores"]) == 0
    assert capsys.readouterr().out.splitlines() == expected("days")["history"]


# ---- incremental runs


@pytest.fixture
def new(saved):
    """Return a function that runs jobs/score.py on what 0.1.0's checkpoint does not know."""
    place = saved / "increments"
    base = ["--artefact", f"{saved}/bert/artefact", "--format", "json", "--input", f"{place}/tweets", "--incremental"]
    return lambda: score.main([*base, "--checkpoint", f"{place}/seen", "--output", f"{place}/scores"])


@of_spark
def test_what_was_read_is_not_read_again(spark, saved, new, capfd):
    before = files(saved / "increments" / "scores")
    assert new() == 0
    assert "score: nothing to do" in capfd.readouterr().out
    assert files(saved / "increments" / "scores") == before


@of_spark
def test_a_new_file_is_the_next_batch_and_nothing_is_doubled(spark, saved, new):
    shutil.copy("increments/c.json", "increments/tweets")
    with rows_through_python(spark) as rows:
        assert new() == 0
    assert rows == [3]
    wanted = expected("increments")["labels"]
    assert len(wanted["2"]) == 3
    assert labels_in(spark, saved / "increments" / "scores", "batch") == wanted
