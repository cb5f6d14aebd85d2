"""A grid search tries every point, looks at the training split only, and puts the best candidate first."""

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
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
ENCODER = EncoderConfig(pooling="cls+mean")
GRID = SearchConfig(poolings="cls,mean,cls+mean", penalties="0.1,1", class_weights="none,sqrt")


def test_every_point_is_tried_and_the_best_comes_first():
    candidates = search_grid(PART, ENCODER, HeadConfig(), GRID, "bert")
    points = {(one.pooling, one.C, one.class_weight) for one in candidates}
    assert len(points) == len(candidates) == 3 * 2 * 2
    assert (candidates[0].f1_weighted, candidates[0].accuracy) == (1.0, 1.0)
    assert "mean" in candidates[0].pooling
    assert candidates[-1].pooling == "cls"
    assert candidates[-1].f1_weighted < 0.8


def test_union_of_features_is_tried_with_each_of_them_alone():
    grid = SearchConfig(poolings="cls,mean", penalties="1", class_weights="none")
    candidates = search_grid(PART, ENCODER, HeadConfig(), grid, "bert+tfidf")
    tried = sorted((one.features, one.pooling) for one in candidates)
    assert tried == [("bert", "cls"), ("bert", "mean"), ("bert+tfidf", "mean"), ("tfidf", "cls+mean")]


def test_texts_that_fold_alike_are_never_on_both_sides_of_a_fold():
    folded_alike = Examples([f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(90)], PART.vectors, LABELS)
    for fit_on, evaluate_on in grid_search._folds(folded_alike, GRID):
        assert not {i // 2 for i in fit_on} & {i // 2 for i in evaluate_on}


def test_too_few_rows_for_the_folds_are_refused():
    with pytest.raises(DataError, match=r"the training rows \(2\) can't be cut into 3 folds"):
        search_grid(Examples(TEXTS[:2], PART.vectors[:2], LABELS[:2]), ENCODER, HeadConfig(), GRID, "bert")


def test_stored_vectors_are_selected_by_text_and_pooling():
    stored = VectorsByText(TEXTS, PART.vectors, ENCODER)
    vectors = stored.encode([TEXTS[5], TEXTS[2]], EncoderConfig(pooling="mean"))
    np.testing.assert_array_equal(vectors, MEAN[[5, 2]])
    assert stored.width(EncoderConfig(pooling="mean+cls")) == 4
    with pytest.raises(DataError, match=r"hold the poolings \['cls', 'mean'\], not \['max'\]"):
        stored.encode(TEXTS, EncoderConfig(pooling="max"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": "heavy"}, r"class_weights \['heavy'\] are unknown; known are none, sqrt, balanced"),
        ({"penalties": "0.1,x"}, "expected numbers with commas"),
        ({"penalties": "0"}, "expected numbers above 0"),
        ({"folds": 1}, "folds=1 is too small; expected 2 or more"),
    ],
)
def test_invalid_grid_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SearchConfig(**settings)
