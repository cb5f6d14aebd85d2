"""What skrub's own tests expect of its TextEncoder, asked of BertTransformer.

Cases: skrub, skrub/tests/test_text_encoder.py, BSD-3-Clause.
"""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer

from bert_spark.errors import ConfigError, ModelError, TextError
from bert_spark.estimators.bert_transformer import BertTransformer


def _pandas(values):
    return pd.Series(values, name="text")


def _polars(values):
    return pytest.importorskip("polars", reason="polars missing: pip install polars").Series("text", values)


@pytest.fixture(params=[_pandas, _polars], ids=["pandas", "polars"])
def column(request):
    """Return a function that makes a column of texts."""
    return request.param


@pytest.fixture
def encoder(tiny_bert):
    return BertTransformer(model=str(tiny_bert), device="cpu")


def test_fitting_twice_gives_the_same(column, encoder):
    texts = column(["hello sir", "hola que tal"])
    encoder.set_params(dimensions=2)
    first = encoder.fit_transform(texts)
    assert first.shape == (2, 2)
    np.testing.assert_array_equal(first, encoder.fit_transform(texts))


@pytest.mark.parametrize("dimensions", [None, 2, 30])
def test_the_width_is_known_after_fitting(column, encoder, dimensions):
    texts = column(["hello sir", "hola que tal"])
    encoder.set_params(dimensions=dimensions).fit(texts)
    assert encoder.n_features_out_ == encoder.transform(texts).shape[1] == (dimensions or 32)


def test_one_text_is_not_a_column(encoder):
    with pytest.raises(TextError, match=r"got one str; expected a list of texts: wrap it in \[ \]"):
        encoder.fit("hello")


@pytest.mark.parametrize("numbers", [[1, 2, 3], [1.0, 2.5, 3.7]])
def test_numbers_are_refused_on_fitting_and_later(column, encoder, numbers):
    for call in (clone(encoder).fit, encoder.fit(column(["hello", "world"])).transform):
        with pytest.raises(TextError, match=r"row 0 is a \w+; expected a str; convert it, e.g. with str\(\)"):
            call(column(numbers))


def test_missing_texts_are_empty_texts_on_request(column, encoder):
    texts = column([None, None, "hey"])
    with pytest.raises(TextError, match="row 0 has no text"):
        encoder.fit(texts)
    vectors = encoder.set_params(missing="empty").fit_transform(texts)
    assert vectors.shape == (3, 32)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_allclose(vectors[0], encoder.transform([""])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dimensions": "yes"}, "dimensions"),
        ({"token_budget": -10}, "token_budget=-10"),
        ({"revision": 1}, "revision"),
        ({"memory": 1}, "memory=1"),
    ],
    ids=["n_components", "batch_size", "model", "cache folder"],
)
def test_wrong_parameters_are_refused_by_name(encoder, wrong, message):
    with pytest.raises(ConfigError, match=message):
        encoder.set_params(**wrong).fit(["hello"])


def test_a_model_that_is_no_name_is_refused(encoder):
    with pytest.raises(ConfigError, match="model"):
        encoder.set_params(model=1).fit(["hello"])


def test_a_model_that_nobody_has_is_refused():
    with pytest.raises(ModelError, match="HAL-9000"):
        BertTransformer(model="HAL-9000").fit(["Good evening Dave"])


def test_transforming_later_gives_what_fitting_gave(column, encoder):
    texts = column(["hello again"])
    np.testing.assert_array_equal(encoder.fit_transform(texts), encoder.transform(texts))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_column_of_a_table(encoder, n_jobs):
    table = pd.DataFrame({"msg": ["hey there", "hello"], "length": [9, 5]})
    union = make_column_transformer((encoder, "msg"), ("passthrough", ["length"]), n_jobs=n_jobs)
    with joblib.parallel_config("threading"):
        assert union.fit_transform(table).shape == (2, 33)


def test_a_pickle_holds_no_weights(encoder):
    encoder.fit(["hello", "hola", "guttentag"])
    content = pickle.dumps(encoder)
    assert len(content) < 2_000
    np.testing.assert_array_equal(pickle.loads(content).transform(["hola"]), encoder.transform(["hola"]))


def test_a_categorical_column_is_a_column_of_texts(column, encoder):
    texts = ["A", "B", "A", "C", "B", "D"]
    categorical = column(texts)
    if isinstance(categorical, pd.Series):
        categorical = categorical.astype("category")
    else:
        categorical = categorical.cast(pytest.importorskip("polars").Categorical)
    np.testing.assert_array_equal(encoder.fit_transform(categorical), encoder.transform(texts))
    later = encoder.fit(categorical[:4]).transform(categorical[4:])
    np.testing.assert_allclose(later, encoder.transform(["B", "D"]), atol=1e-6)
