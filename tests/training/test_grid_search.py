"""The search tries what it is told, judges on the training split alone, and finds the better of two settings."""

import json
import tomllib

import numpy as np
import pytest
import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import pooling_function
from bert_spark.errors import ConfigError, DataError
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.training import grid_search
from bert_spark.training.config import HeadConfig, SearchConfig
from bert_spark.training.examples import Examples
from bert_spark.training.grid_search import search_grid

RNG = np.random.default_rng(0)
LABELS = np.array(["joy", "sad", "joy"] * 30)
TEXTS = [f"text number {i} says something" for i in range(90)]
# "cls" is noise, "mean" tells the classes apart
CLS = RNG.normal(size=(90, 2)).astype(np.float32)
MEAN = np.where(LABELS == "joy", 1, -1)[:, None].astype(np.float32) * np.ones((1, 2), np.float32)
PART = Examples(TEXTS, np.hstack([CLS, MEAN]), LABELS)
MADE = EncoderConfig(pooling="cls+mean")
GRID = SearchConfig(poolings="cls,mean,cls+mean", penalties="0.1,1", class_weights="none,sqrt")


def test_every_point_is_tried_and_the_best_comes_first():
    found = search_grid(PART, MADE, HeadConfig(), GRID, "bert")
    points = {(one.pooling, one.C, one.class_weight) for one in found}
    assert len(points) == len(found) == 3 * 2 * 2
    assert (found[0].f1_weighted, found[0].accuracy) == (1.0, 1.0)
    assert "mean" in found[0].pooling
    assert found[-1].pooling == "cls"
    assert found[-1].f1_weighted < 0.8


def test_a_union_is_tried_beside_both_its_arms():
    grid = SearchConfig(poolings="cls,mean", penalties="1", class_weights="none")
    found = search_grid(PART, MADE, HeadConfig(), grid, "bert+tfidf")
    tried = sorted((one.features, one.pooling) for one in found)
    assert tried == [("bert", "cls"), ("bert", "mean"), ("bert+tfidf", "mean"), ("tfidf", "cls+mean")]


def test_texts_that_fold_alike_are_never_on_both_sides_of_a_fold():
    twins = Examples([f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(90)], PART.vectors, LABELS)
    for fit_on, judge_by in grid_search._folds(twins, GRID):
        assert not {i // 2 for i in fit_on} & {i // 2 for i in judge_by}


def test_too_few_rows_for_the_folds_are_refused():
    with pytest.raises(DataError, match=r"the training rows \(2\) can't be cut into 3 folds"):
        search_grid(Examples(TEXTS[:2], PART.vectors[:2], LABELS[:2]), MADE, HeadConfig(), GRID, "bert")


def test_known_vectors_are_handed_out_by_text_and_pooling():
    known = VectorsByText(TEXTS, PART.vectors, "cls+mean")
    got = known.encode([TEXTS[5], TEXTS[2]], EncoderConfig(pooling="mean"))
    np.testing.assert_array_equal(got, MEAN[[5, 2]])
    assert known.width(EncoderConfig(pooling="mean+cls")) == 4
    with pytest.raises(DataError, match=r"hold the poolings \['cls', 'mean'\], not \['max'\]"):
        known.encode(TEXTS, EncoderConfig(pooling="max"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"class_weights": "heavy"}, r"class_weights \['heavy'\] are unknown; known are none, sqrt, balanced"),
        ({"penalties": "0.1,x"}, "expected numbers with commas"),
        ({"penalties": "0"}, "expected numbers above 0"),
        ({"folds": 1}, "folds=1 is too small; expected 2 or more"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        SearchConfig(**settings)


@pytest.fixture(scope="module")
def tweets(tmp_path_factory):
    """Return a csv of 120 tweets of two classes."""
    path = tmp_path_factory.mktemp("search") / "tweets.csv"
    rows = [f"{i},{['happy', 'sad'][i % 2]} day to number {i},{['joy', 'grief'][i % 2]}" for i in range(120)]
    path.write_text("\n".join(["id,text,mood", *rows]), encoding="utf-8")
    return path


def test_the_job_runs_bert_once_and_writes_settings_that_train_takes(spark, tiny_bert, tweets, tmp_path, capsys):
    from jobs import score, train
    from jobs import search as job
    from tests.support.row_counter import rows_through_python

    labelled = ["--input", str(tweets), "--label-column", "mood"]
    base = [*labelled, "--model", str(tiny_bert)]
    grid = ["--poolings", "cls,mean", "--c", "1", "--class-weights", "none,sqrt", "--features", "bert+tfidf"]
    with rows_through_python(spark) as rows:
        assert job.main([*base, *grid, "--output", str(tmp_path / "search")]) == 0
    assert rows == [120]
    printed = capsys.readouterr().out
    assert "weighted F1 1.0000" in printed
    found = json.loads((tmp_path / "search" / "search.json").read_text())
    assert len(found["candidates"]) == 8
    settings = tomllib.loads((tmp_path / "search" / "best.toml").read_text())
    assert settings["train"]["features"] in ("bert", "tfidf", "bert+tfidf")
    options = ["--config", str(tmp_path / "search" / "best.toml"), "--calibrate", "sigmoid", "--features", "tfidf"]
    with rows_through_python(spark) as rows:
        assert train.main([*options, *labelled, "--output", str(tmp_path / "artefact")]) == 0
    assert rows == []  # TF-IDF alone needs no BERT
    for name in ("pipeline.skops", "metadata.json", "metrics.json", "report.html", "README.md"):
        assert (tmp_path / "artefact" / name).is_file()
    assert "number 1" not in (tmp_path / "artefact" / "report.html").read_text()
    scored = ["--artefact", str(tmp_path / "artefact"), "--input", str(tweets), "--output", str(tmp_path / "scores")]
    assert score.main([*scored, "--min-probability", "0.8", "--scores"]) == 0
    rows = spark.read.parquet(str(tmp_path / "scores")).collect()
    assert len(rows) == 120
    assert {row.label == (["joy", "grief"][int(row.id) % 2] if row.margin >= 0.8 else None) for row in rows} == {True}
    assert all(abs(sum(row.scores.values()) - 1) < 1e-9 for row in rows)


def test_a_probability_is_not_asked_of_margins(tiny_bert, tmp_path):
    from sklearn.pipeline import make_pipeline

    from bert_spark import BertTransformer, save_artefact, with_score
    from bert_spark.estimators.linear_svc import FastLinearSVC

    bert = BertTransformer(model=str(tiny_bert))
    save_artefact(tmp_path / "a", make_pipeline(bert, FastLinearSVC()).fit(["happy", "sad"], ["a", "b"]))
    with pytest.raises(ConfigError, match=r"gives margins, .* train it with --calibrate sigmoid"):
        with_score(str(tmp_path / "a"), min_probability=0.5)


STATES = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [8.0, -9.0]]])  # one row of three tokens


def test_joined_poolings_stand_in_the_order_of_their_names():
    assert pooling_function("max+cls")((STATES,), torch.ones(1, 3)).tolist() == [[8.0, -2.0, 1.0, -2.0]]


@pytest.mark.parametrize("name", ["cls+flatten", "mean+mean"])
def test_poolings_that_cannot_be_joined_are_refused(name):
    with pytest.raises(ConfigError, match="can't be put together; join different ones, none of them flatten"):
        pooling_function(name)
