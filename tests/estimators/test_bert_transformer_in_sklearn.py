"""BertTransformer works as scikit-learn's own steps do: pipelines, output, clones, printing and pickling."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import set_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags

from bert_spark.encoding import encoder_cache
from bert_spark.errors import ConfigError
from bert_spark.estimators.bert_transformer import BertTransformer

TEXTS = ["happy today", "i hate this", "hello world hello", ""]
MOODS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "-"] * 3


def cls_of(output):
    return output[0][:, 0, :]


# Pipelines


def test_the_tutorials_pipelines_have_the_expected_features(bert):
    svc = LinearSVC(C=1.0, class_weight="balanced")
    plain = Pipeline([("vectorizer", bert), ("classifier", svc)]).fit(MOODS, LABELS)
    assert plain.predict(MOODS).tolist() == LABELS
    tf_idf = Pipeline([("vect", CountVectorizer()), ("tfidf", TfidfTransformer())])
    union = FeatureUnion([("bert", clone(bert)), ("tf_idf", tf_idf)])
    both = Pipeline([("union", union), ("classifier", clone(svc))]).fit(MOODS, LABELS)
    assert both.predict(MOODS).tolist() == LABELS
    words = {word for text in MOODS for word in text.split() if len(word) > 1}
    assert both[:-1].transform(["hello"]).shape == (1, 32 + len(words))


def test_the_tutorials_pipelines_predict_their_training_labels(bert):
    classifier = LinearSVC(C=1.0, class_weight="balanced")
    tfidf = Pipeline([("vect", CountVectorizer()), ("tfidf", TfidfTransformer())])
    first = Pipeline([("vectorizer", clone(bert)), ("classifier", classifier)])
    second = Pipeline([("union", FeatureUnion([("bert", bert), ("tf_idf", tfidf)])), ("classifier", clone(classifier))])
    for pipeline in (first, second):
        assert pipeline.fit(MOODS, LABELS).predict(MOODS[:4]).tolist() == LABELS[:4]


def test_grid_search_over_settings(bert):
    grid = {"berttransformer__pooling": ["cls", "mean"], "berttransformer__max_length": [5, 60]}
    search = GridSearchCV(make_pipeline(bert, LinearSVC()), grid, cv=2, error_score="raise").fit(MOODS, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.predict(["happy"]).shape == (1,)


def test_cross_validation_in_several_processes(bert):
    scores = cross_val_score(make_pipeline(bert, LinearSVC()), MOODS, LABELS, cv=2, n_jobs=2, error_score="raise")
    assert scores.shape == (2,)


# Output


def test_feature_names_after_fit(bert):
    with pytest.raises(NotFittedError, match="BertTransformer instance is not fitted yet"):
        bert.get_feature_names_out()
    assert bert.fit(["hi"]).n_features_out_ == 32
    assert bert.get_feature_names_out().tolist() == [f"bert{i}" for i in range(32)]


def test_pandas_output_has_float32_columns(bert):
    frame = bert.set_output(transform="pandas").fit_transform(pd.Series(["hi", "hello"], index=[7, 3]))
    assert list(frame.columns[:2]) == ["bert0", "bert1"]
    assert frame.index.tolist() == [7, 3]
    assert set(frame.dtypes) == {np.dtype("float32")}


def test_set_output_pandas_keeps_the_index_and_names_the_columns(bert):
    frame = bert.set_output(transform="pandas").fit_transform(pd.Series(TEXTS, index=list("dcba")))
    assert list(frame.index) == list("dcba")
    assert list(frame.columns) == [f"bert{i}" for i in range(32)] == bert.get_feature_names_out().tolist()


def test_set_output_polars(bert):
    pytest.importorskip("polars", reason="polars missing: pip install polars")
    frame = bert.set_output(transform="polars").fit_transform(TEXTS)
    assert frame.shape == (4, 32)
    assert frame.columns[0] == "bert0"


def test_feature_names_of_a_union(bert):
    union = FeatureUnion([("words", TfidfVectorizer()), ("b", bert)]).fit(TEXTS)
    assert union.get_feature_names_out()[[0, -1]].tolist() == ["words__happy", "b__bert31"]


def test_a_pipeline_fits_with_pandas_output_as_the_default(bert):
    set_config(transform_output="pandas")
    try:
        pipeline = make_pipeline(bert, LinearSVC()).fit(pd.Series(MOODS), LABELS)
        assert pipeline[:-1].transform(MOODS[:1]).columns[0] == "bert0"
    finally:
        set_config(transform_output="default")


# Parameters and clones


def test_the_constructor_stores_its_arguments_unchanged_and_loads_nothing(live):
    before = encoder_cache.model_loads()
    bert = BertTransformer(*live, 7, cls_of)
    assert (bert.tokenizer, bert.model, bert.max_length, bert.embedding_func) == (*live, 7, cls_of)
    assert BertTransformer(model="no/such", pooling="nonsense").pooling == "nonsense"  # refused at fit only
    assert encoder_cache.model_loads() == before


def test_the_constructor_stores_every_parameter():
    parameters = {name: object() for name in BertTransformer._get_param_names()}
    bert = BertTransformer(**parameters)
    assert vars(bert) == parameters
    assert bert.get_params(deep=False) == parameters


def test_an_invalid_setting_is_refused_at_fit(tiny_bert):
    with pytest.raises(ConfigError, match="pooling 'nonsense' is unknown"):
        BertTransformer(model=str(tiny_bert), pooling="nonsense").fit(["hi"])


def test_set_params_takes_effect_and_unknown_parameters_are_refused(bert):
    assert bert.set_params(pooling="flatten", max_length=4).fit(["a"]).n_features_out_ == 4 * 32
    with pytest.raises(ValueError, match="Invalid parameter 'pool'"):
        bert.set_params(pool="mean")


def test_clone_has_the_same_settings_and_no_fitted_state(bert):
    copy = clone(bert.set_params(pooling="mean").fit(["hi"]))
    assert copy.get_params() == bert.get_params()
    assert not hasattr(copy, "n_features_out_")


def test_a_clone_shares_live_objects_and_drops_fitted_state(live):
    bert = BertTransformer(*live).set_output(transform="pandas").fit(["a"])
    copy = clone(bert)
    assert copy.model is live[1]
    assert not hasattr(copy, "n_features_out_")
    assert list(copy.fit_transform(["a"]).columns[:2]) == ["bert0", "bert1"]
    copy.set_output(transform="default")
    assert isinstance(bert.transform(["a"]), pd.DataFrame)


def test_clone_and_print_with_live_objects(live):
    bert = BertTransformer(*live, embedding_func=cls_of)
    assert repr(bert).startswith("BertTransformer(")
    assert clone(bert).fit_transform(["hi"]).shape == (1, 32)


def test_tags_declare_text_input(bert):
    tags = get_tags(bert).input_tags
    assert (tags.string, tags.two_d_array) == (True, False)
    assert not get_tags(bert).requires_fit


# Printing and pickling


def test_a_pipeline_prints(bert):
    pipeline = make_pipeline(bert, LinearSVC())
    assert "BertTransformer" in repr(pipeline)
    assert "BertTransformer" in pipeline._repr_html_()


def test_an_estimator_prints_as_text_and_html(bert, live):
    assert repr(BertTransformer()) == "BertTransformer()"
    assert "pooling='mean'" in repr(BertTransformer(pooling="mean"))
    pipeline = make_pipeline(bert, LinearSVC())
    assert "BertTransformer" in pipeline._repr_html_()
    assert "BertTransformer" in make_pipeline(BertTransformer(*live), LinearSVC())._repr_html_()


def dump_with_joblib(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("dump", [pickle.dumps, dump_with_joblib])
def test_a_fitted_pipeline_pickles_small_and_predicts_the_same(bert, dump):
    """A pickle holds settings and no weights, so a pipeline fitted on a GPU loads on a machine without one."""
    pipeline = make_pipeline(bert, LinearSVC()).fit(MOODS, LABELS)
    data = dump(pipeline)
    assert len(data) < 10_000
    loaded = joblib.load(io.BytesIO(data))
    assert np.array_equal(loaded.decision_function(MOODS), pipeline.decision_function(MOODS))


@pytest.mark.parametrize("fitted", [False, True])
def test_a_pickle_is_small_and_gives_the_same_vectors(bert, fitted, tmp_path):
    expected = clone(bert).fit_transform(TEXTS)
    if fitted:
        bert.fit(TEXTS)
    payload = pickle.dumps(bert)
    assert len(payload) < 2000
    np.testing.assert_array_equal(pickle.loads(payload).fit_transform(TEXTS), expected)
    joblib.dump(bert, tmp_path / "bert.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "bert.joblib").fit_transform(TEXTS), expected)


def test_pickling_before_and_after_fit(bert):
    for estimator in (bert, clone(bert).fit(["hi"]), clone(bert).set_params(embedding_func=cls_of).fit(["hi"])):
        assert pickle.loads(pickle.dumps(estimator)).get_params() == estimator.get_params()


class FakeGpuModel:
    """A model that claims to be on a GPU, until `cpu` is called."""

    device = "cuda:0"

    def cpu(self):
        self.device = "cpu"
        return self


def test_a_live_model_is_pickled_on_the_cpu():
    model = FakeGpuModel()
    assert pickle.loads(pickle.dumps(BertTransformer("tokenizer", model))).model.device == "cpu"
    assert model.device == "cuda:0"
