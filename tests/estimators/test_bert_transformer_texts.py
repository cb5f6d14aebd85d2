"""BertTransformer takes texts in any container, and TextCleaner treats texts in the same way."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

from bert_spark.errors import TextError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.text_cleaner import TextCleaner

TEXTS = ["happy today", "i hate this", "hello world hello", ""]
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


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("step", [TextCleaner, BertTransformer])
def test_a_missing_text_is_refused_with_its_position(step, missing):
    column = pd.Series(["a", "b", missing], index=[9, 8, 0], dtype=object)
    with pytest.raises(TextError, match=r"^row 2 has no text"):
        step().fit(column)


def test_tf_idf_and_bert_take_missing_texts_as_empty(tiny_bert, transformers_cls):
    bert = BertTransformer(model=str(tiny_bert), missing="empty")
    union = FeatureUnion([("tfidf", make_pipeline(TextCleaner(missing="empty"), TfidfVectorizer())), ("bert", bert)])
    features = union.fit_transform(pd.Series(["happy", None, np.nan, pd.NA], dtype=object)).toarray()
    assert features[:, 0].tolist() == [1, 0, 0, 0]
    expected = np.tile(transformers_cls(tiny_bert, [""]), (3, 1))
    np.testing.assert_allclose(features[1:, 1:], expected, atol=1e-5)


@pytest.mark.parametrize("value", [None, math.nan, pd.NA])
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_missing_text_names_its_row(bert, value, step):
    with pytest.raises(TextError, match="row 777 has no text"):
        getattr(bert, step)(["hi"] * 777 + [value])


def test_missing_texts_are_empty_on_request(bert):
    bert.set_params(missing="empty")
    vectors = bert.fit_transform(["hi", None, math.nan, pd.NA, ""])
    assert np.array_equal(vectors[1:], np.repeat(vectors[4:], 4, axis=0))
    assert not np.array_equal(vectors[0], vectors[4])


def test_a_number_in_the_text_column_names_its_row(bert):
    with pytest.raises(TextError, match="row 1 is a int; expected a str"):
        bert.fit(["hi", 7])


def test_a_classifier_accepts_the_vectors_of_empty_texts(bert):
    model = make_pipeline(bert, LinearSVC()).fit(["happy", "love you", "sad", "hate this"], ["+", "+", "-", "-"])
    assert model.predict(["", " ", "\ud83d"]).shape == (3,)


def test_tf_idf_and_bert_refuse_missing_texts_alike(bert):
    """Without TextCleaner, TF-IDF raises "no attribute lower" for None and "invalid document" for NaN."""
    union = FeatureUnion([("tfidf", make_pipeline(TextCleaner(), TfidfVectorizer())), ("bert", bert)])
    for value in (None, math.nan, pd.NA):
        with pytest.raises(TextError, match="row 1 has no text"):
            union.fit(["hello world", value])
    union.set_params(tfidf__textcleaner__missing="empty", bert__missing="empty")
    assert union.fit_transform(["hello world", None, pd.NA]).shape == (3, 2 + 32)


def test_text_cleaner_gives_tf_idf_the_texts_that_bert_gets():
    texts = ["a&amp;b @someone\0x", "gm \ud83d"]
    assert TextCleaner("tweets").fit_transform(texts) == ["a&b @user x", "gm"]
    assert TextCleaner().fit_transform(texts) == ["a&amp;b @someone\0x", "gm \ufffd"]
