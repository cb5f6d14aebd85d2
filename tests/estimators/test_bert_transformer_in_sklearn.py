"""BertTransformer as a citizen of scikit-learn: every container of texts, cloning, printing, pickling, searching."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import set_config
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags
from transformers import AutoModel, AutoTokenizer

from bert_spark import memory
from bert_spark.encoding import encoder_cache
from bert_spark.errors import ConfigError, DataError, TextError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

TEXTS = ["happy today", "i hate this", "hello world hello", ""]
MOODS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "-"] * 3


@pytest.fixture
def bert(tiny_bert):
    return BertTransformer(model=str(tiny_bert))


@pytest.fixture(scope="module")
def live(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert)


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "numpy object": lambda texts: np.array(texts, dtype=object),
    "numpy str": np.array,
    "numpy column": lambda texts: np.array(texts, dtype=object)[:, None],
    "Series object": lambda texts: pd.Series(texts, dtype=object),
    "Series string": lambda texts: pd.Series(texts, dtype="string"),
    "Series arrow": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "Series category": lambda texts: pd.Series(texts, dtype="category"),
    "Series of another order": lambda texts: pd.Series(texts, index=[3, 1, 2, 0]),
    "Series of one label": lambda texts: pd.Series(texts, index=[7] * len(texts)),
    "frame": lambda texts: pd.DataFrame({"text": texts}, index=list("dcba")),
    "arrow": pa.array,
    "arrow chunks": lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=list(CONTAINERS))
def test_every_container_gives_the_rows_by_position(bert, tiny_bert, transformers_cls, container):
    vectors = bert.fit_transform(container(TEXTS))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, TEXTS), atol=1e-5)


@pytest.mark.parametrize("nothing", [None, float("nan"), np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("step", [TextCleaner, BertTransformer])
def test_a_missing_text_is_refused_with_its_position(step, nothing):
    column = pd.Series(["a", "b", nothing], index=[9, 8, 0], dtype=object)
    with pytest.raises(TextError, match=r"^row 2 has no text"):
        step().fit(column)


def test_both_arms_of_a_union_take_missing_texts_as_empty(tiny_bert, transformers_cls):
    bert = BertTransformer(model=str(tiny_bert), missing="empty")
    union = FeatureUnion([("tfidf", make_pipeline(TextCleaner(missing="empty"), TfidfVectorizer())), ("bert", bert)])
    features = union.fit_transform(pd.Series(["happy", None, np.nan, pd.NA], dtype=object)).toarray()
    assert features[:, 0].tolist() == [1, 0, 0, 0]
    expected = np.tile(transformers_cls(tiny_bert, [""]), (3, 1))
    np.testing.assert_allclose(features[1:, 1:], expected, atol=1e-5)


def test_the_tutorials_positional_signature(live, tiny_bert, transformers_states):
    bert = BertTransformer(*live, 5, lambda x: x[0][:, 0, :])
    got = bert.fit_transform(["hi my name is nicolas"])
    np.testing.assert_allclose(got[0], transformers_states(tiny_bert, "hi my name is nicolas", 5)[0], atol=1e-5)


def test_the_tutorials_flatten_is_run_text_by_text_and_padded(live, tiny_bert, transformers_states):
    bert = BertTransformer(*live, max_length=6, embedding_func=lambda x: x[0].flatten())
    got = bert.fit_transform(["hi", "hello my two very good world"])
    assert got.shape == (2, 6 * 32)
    states = transformers_states(tiny_bert, "hi", 6)
    np.testing.assert_allclose(got[0, : states.size], states.ravel(), atol=1e-5)


def test_flatten_has_one_width_for_every_row(tiny_bert):
    bert = BertTransformer(model=str(tiny_bert), pooling="flatten", max_length=8).fit(["a"])
    assert bert.n_features_out_ == 8 * 32
    assert {bert.transform([text]).shape for text in ("", "hi", "hello " * 50)} == {(1, 8 * 32)}


def test_a_matrix_too_large_is_refused_before_any_text_is_encoded(bert, monkeypatch):
    bert.set_params(pooling="flatten").fit(TEXTS)
    before = encoder_cache.get_encoder(bert.config).batches.calls
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"4 rows x 1920 numbers x 4 bytes x 2 .*cls or mean in place of flatten"):
        bert.transform(TEXTS)
    assert encoder_cache.get_encoder(bert.config).batches.calls == before


def test_two_poolings_stand_side_by_side(bert):
    both = clone(bert).set_params(pooling="cls+mean").fit_transform(TEXTS)
    alone = [clone(bert).set_params(pooling=name).fit_transform(TEXTS) for name in ("cls", "mean")]
    np.testing.assert_allclose(both, np.hstack(alone), atol=1e-5)


def test_the_constructor_only_stores():
    given = {name: object() for name in BertTransformer._get_param_names()}
    bert = BertTransformer(**given)
    assert vars(bert) == given
    assert bert.get_params(deep=False) == given


def test_a_clone_shares_live_objects_and_drops_what_was_fitted(live):
    bert = BertTransformer(*live).set_output(transform="pandas").fit(["a"])
    twin = clone(bert)
    assert twin.model is live[1]
    assert not hasattr(twin, "n_features_out_")
    assert list(twin.fit_transform(["a"]).columns[:2]) == ["bert0", "bert1"]
    twin.set_output(transform="default")
    assert isinstance(bert.transform(["a"]), pd.DataFrame)


def test_set_params_takes_effect_and_an_unknown_one_is_refused(bert):
    assert bert.set_params(pooling="flatten", max_length=4).fit(["a"]).n_features_out_ == 4 * 32
    with pytest.raises(ValueError, match="Invalid parameter 'pool'"):
        bert.set_params(pool="mean")


def test_it_prints_as_text_and_html(bert, live):
    assert repr(BertTransformer()) == "BertTransformer()"
    assert "pooling='mean'" in repr(BertTransformer(pooling="mean"))
    pipeline = make_pipeline(bert, LinearSVC())
    assert "BertTransformer" in pipeline._repr_html_()
    assert "BertTransformer" in make_pipeline(BertTransformer(*live), LinearSVC())._repr_html_()


def test_set_output_pandas_keeps_the_index_and_names_the_columns(bert):
    frame = bert.set_output(transform="pandas").fit_transform(pd.Series(TEXTS, index=list("dcba")))
    assert list(frame.index) == list("dcba")
    assert list(frame.columns) == [f"bert{i}" for i in range(32)] == bert.get_feature_names_out().tolist()


def test_set_output_polars(bert):
    pytest.importorskip("polars", reason="polars missing: pip install polars")
    frame = bert.set_output(transform="polars").fit_transform(TEXTS)
    assert frame.shape == (4, 32)
    assert frame.columns[0] == "bert0"


def test_a_union_names_its_columns(bert):
    union = FeatureUnion([("words", TfidfVectorizer()), ("b", bert)]).fit(TEXTS)
    assert union.get_feature_names_out()[[0, -1]].tolist() == ["words__happy", "b__bert31"]


def test_tags_say_text_in(bert):
    tags = get_tags(bert).input_tags
    assert (tags.string, tags.two_d_array) == (True, False)
    assert not get_tags(bert).requires_fit


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


class OnGpu:
    """A model that claims to be on a GPU, and leaves it when told."""

    device = "cuda:0"

    def cpu(self):
        self.device = "cpu"
        return self


def test_a_live_model_leaves_the_gpu_before_it_is_pickled():
    model = OnGpu()
    assert pickle.loads(pickle.dumps(BertTransformer("tokenizer", model))).model.device == "cpu"
    assert model.device == "cuda:0"


def test_the_tutorials_two_pipelines(bert):
    classifier = LinearSVC(C=1.0, class_weight="balanced")
    tfidf = Pipeline([("vect", CountVectorizer()), ("tfidf", TfidfTransformer())])
    first = Pipeline([("vectorizer", clone(bert)), ("classifier", classifier)])
    second = Pipeline([("union", FeatureUnion([("bert", bert), ("tf_idf", tfidf)])), ("classifier", clone(classifier))])
    for pipeline in (first, second):
        assert pipeline.fit(MOODS, LABELS).predict(MOODS[:4]).tolist() == LABELS[:4]


def test_one_live_object_without_the_other_is_refused(live):
    with pytest.raises(ConfigError, match="got one of tokenizer and model as an object"):
        BertTransformer(live[0]).fit(["a"])


def test_under_config_transform_output_pandas_a_pipeline_still_fits(bert):
    set_config(transform_output="pandas")
    try:
        pipeline = make_pipeline(bert, LinearSVC()).fit(pd.Series(MOODS), LABELS)
        assert pipeline[:-1].transform(MOODS[:1]).columns[0] == "bert0"
    finally:
        set_config(transform_output="default")
