"""BERT as a scikit-learn step: it clones, prints, pickles, searches and joins as scikit-learn's own steps do."""

import io
import math
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import LinearSVC
from transformers import AutoModel, AutoTokenizer

from bert_spark.encoding import encoder_cache
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError, TextError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

HAPPY, SAD = ["happy", "so happy today", "love you", "good good world"], ["sad", "hate this", "so sad", "no no not"]
TEXTS, LABELS = HAPPY + SAD, ["+"] * 4 + ["-"] * 4


def cls_of(output):
    return output[0][:, 0, :]


@pytest.fixture
def bert(tiny_bert):
    return BertTransformer(model=str(tiny_bert), device="cpu")


@pytest.fixture
def live(tiny_bert):
    return AutoTokenizer.from_pretrained(str(tiny_bert)), AutoModel.from_pretrained(str(tiny_bert))


# Vectors


def test_vectors_equal_transformers(bert, tiny_bert, transformers_cls):
    vectors = bert.fit_transform(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, TEXTS), rtol=0, atol=1e-5)


def test_the_tutorials_constructor(live, tiny_bert, transformers_cls):
    """Tokenizer, model, max_length and embedding_func by position."""
    vectors = BertTransformer(*live, 5, lambda x: x[0][:, 0, :]).fit_transform(TEXTS)
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, TEXTS, max_length=5), rtol=0, atol=1e-5)


def test_live_and_named_models_give_the_same_vectors(bert, live):
    np.testing.assert_allclose(BertTransformer(*live).transform(TEXTS), bert.transform(TEXTS), rtol=0, atol=1e-5)


def test_settings_reach_the_encoder(tiny_bert):
    settings = {
        "revision": "v1",
        "max_length": 7,
        "pooling": "mean",
        "precision": "bfloat16",
        "engine": "openvino",
        "token_budget": 99,
        "clean": "tweets",
        "long_text": "windows",
        "device": "cpu",
    }
    assert BertTransformer(model=str(tiny_bert), **settings).config == EncoderConfig(model=str(tiny_bert), **settings)


def test_defaults_are_those_of_the_encoder():
    assert BertTransformer().config == EncoderConfig()


def test_no_texts_are_no_rows(bert):
    assert bert.fit([]).transform([]).shape == (0, 32)


def test_the_model_is_loaded_once_for_all_calls(bert, tiny_bert):
    encoder_cache.clear_encoders()
    before = encoder_cache.model_loads()
    bert.fit(TEXTS).transform(TEXTS)
    clone(bert).transform(TEXTS)
    assert encoder_cache.model_loads() - before == 1
    assert encoder_cache.get_encoder(bert.config).texts_encoded == 16


def test_only_one_of_tokenizer_and_model_is_refused(live, tiny_bert):
    for arguments in ({"tokenizer": live[0], "model": str(tiny_bert)}, {"model": live[1]}):
        with pytest.raises(
            ConfigError, match="got one of tokenizer and model as an object; pass both live, or a model's"
        ):
            BertTransformer(**arguments).fit(TEXTS)


def test_tokenizer_and_model_in_the_wrong_order_are_refused(live):
    with pytest.raises(ConfigError, match="expected a transformers tokenizer first and a transformers model second"):
        BertTransformer(live[1], live[0]).fit(TEXTS)


# Texts


@pytest.mark.parametrize("value", [None, math.nan, pd.NA])
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_missing_text_names_its_row(bert, value, step):
    with pytest.raises(TextError, match="row 777 has no text"):
        getattr(bert, step)(["hi"] * 777 + [value])


def test_missing_text_as_empty_on_request(bert):
    bert.set_params(missing="empty")
    vectors = bert.fit_transform(["hi", None, math.nan, pd.NA, ""])
    assert np.array_equal(vectors[1:], np.repeat(vectors[4:], 4, axis=0))
    assert not np.array_equal(vectors[0], vectors[4])


def test_a_number_in_the_text_column_names_its_row(bert):
    with pytest.raises(TextError, match="row 1 is a int; expected a str"):
        bert.fit(["hi", 7])


def test_an_empty_text_has_a_vector_that_a_classifier_takes(bert):
    model = make_pipeline(bert, LinearSVC()).fit(TEXTS, LABELS)
    assert model.predict(["", " ", "\ud83d"]).shape == (3,)


def test_tf_idf_beside_bert_says_the_same_of_missing_texts(bert):
    """Without TextCleaner, TF-IDF says "no attribute lower" of None and "invalid document" of NaN."""
    union = FeatureUnion([("tfidf", make_pipeline(TextCleaner(), TfidfVectorizer())), ("bert", bert)])
    for value in (None, math.nan, pd.NA):
        with pytest.raises(TextError, match="row 1 has no text"):
            union.fit(["hello world", value])
    union.set_params(tfidf__textcleaner__missing="empty", bert__missing="empty")
    assert union.fit_transform(["hello world", None, pd.NA]).shape == (3, 2 + 32)


def test_tf_idf_sees_the_texts_that_bert_sees():
    texts = ["a&amp;b @someone\0x", "gm \ud83d"]
    assert TextCleaner("tweets").fit_transform(texts) == ["a&b @user x", "gm"]
    assert TextCleaner().fit_transform(texts) == ["a&amp;b @someone\0x", "gm \ufffd"]


# In a pipeline


def test_the_tutorials_two_pipelines(bert):
    svc = LinearSVC(C=1.0, class_weight="balanced")
    plain = Pipeline([("vectorizer", bert), ("classifier", svc)]).fit(TEXTS, LABELS)
    assert plain.predict(TEXTS).tolist() == LABELS
    tf_idf = Pipeline([("vect", CountVectorizer()), ("tfidf", TfidfTransformer())])
    union = FeatureUnion([("bert", clone(bert)), ("tf_idf", tf_idf)])
    both = Pipeline([("union", union), ("classifier", clone(svc))]).fit(TEXTS, LABELS)
    assert both.predict(TEXTS).tolist() == LABELS
    words = {word for text in TEXTS for word in text.split() if len(word) > 1}
    assert both[:-1].transform(["hello"]).shape == (1, 32 + len(words))


def test_names_of_the_columns(bert):
    with pytest.raises(NotFittedError, match="BertTransformer instance is not fitted yet"):
        bert.get_feature_names_out()
    assert bert.fit(["hi"]).n_features_out_ == 32
    assert bert.get_feature_names_out().tolist() == [f"bert{i}" for i in range(32)]


def test_pandas_output(bert):
    frame = bert.set_output(transform="pandas").fit_transform(pd.Series(["hi", "hello"], index=[7, 3]))
    assert list(frame.columns[:2]) == ["bert0", "bert1"]
    assert frame.index.tolist() == [7, 3]
    assert set(frame.dtypes) == {np.dtype("float32")}


def test_grid_search_over_its_settings(bert):
    grid = {"berttransformer__pooling": ["cls", "mean"], "berttransformer__max_length": [5, 60]}
    search = GridSearchCV(make_pipeline(bert, LinearSVC()), grid, cv=2, error_score="raise").fit(TEXTS, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.predict(["happy"]).shape == (1,)


def test_cross_validation_in_several_processes(bert):
    scores = cross_val_score(make_pipeline(bert, LinearSVC()), TEXTS, LABELS, cv=2, n_jobs=2, error_score="raise")
    assert scores.shape == (2,)


# Cloning, printing, pickling


def test_the_constructor_stores_its_arguments_unchanged_and_loads_nothing(live):
    before = encoder_cache.model_loads()
    bert = BertTransformer(*live, 7, cls_of)
    assert (bert.tokenizer, bert.model, bert.max_length, bert.embedding_func) == (*live, 7, cls_of)
    assert BertTransformer(model="no/such", pooling="nonsense").pooling == "nonsense"  # said at fit, not before
    assert encoder_cache.model_loads() == before


def test_a_bad_setting_is_said_at_fit(tiny_bert):
    with pytest.raises(ConfigError, match="pooling 'nonsense' is unknown"):
        BertTransformer(model=str(tiny_bert), pooling="nonsense").fit(["hi"])


def test_clone_has_the_same_settings_and_no_fitted_state(bert):
    copy = clone(bert.set_params(pooling="mean").fit(["hi"]))
    assert copy.get_params() == bert.get_params()
    assert not hasattr(copy, "n_features_out_")


def test_clone_and_print_with_live_objects(live):
    bert = BertTransformer(*live, embedding_func=cls_of)
    assert repr(bert).startswith("BertTransformer(")
    assert clone(bert).fit_transform(["hi"]).shape == (1, 32)


def test_a_pipeline_prints(bert):
    pipeline = make_pipeline(bert, LinearSVC())
    assert "BertTransformer" in repr(pipeline)
    assert "BertTransformer" in pipeline._repr_html_()


def dump_with_joblib(thing):
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("dump", [pickle.dumps, dump_with_joblib])
def test_a_fitted_pipeline_pickles_small_and_predicts_the_same(bert, dump):
    """Settings travel, weights do not: a model fitted on a GPU loads where there is none."""
    pipeline = make_pipeline(bert, LinearSVC()).fit(TEXTS, LABELS)
    data = dump(pipeline)
    assert len(data) < 10_000
    loaded = joblib.load(io.BytesIO(data))
    assert np.array_equal(loaded.decision_function(TEXTS), pipeline.decision_function(TEXTS))


def test_pickling_before_and_after_fit(bert):
    for estimator in (bert, clone(bert).fit(["hi"]), clone(bert).set_params(embedding_func=cls_of).fit(["hi"])):
        assert pickle.loads(pickle.dumps(estimator)).get_params() == estimator.get_params()
