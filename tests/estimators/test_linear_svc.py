"""FastLinearSVC has LinearSVC's decision function: the objective is one, only the way to its minimum differs."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import LinearSVC

from bert_spark.estimators.linear_svc import FastLinearSVC

RNG = np.random.default_rng(0)
# correlated coordinates of unlike scale, as BERT's are, off the origin
X = (RNG.normal(size=(300, 12)) @ RNG.normal(size=(12, 12)) * np.logspace(-1, 1, 12) + 1).astype(np.float32)
Y3 = np.array(["a", "b", "c"])[np.argmax(X[:, :3] / X[:, :3].std(axis=0) + RNG.normal(size=(300, 3)), axis=1)]
EXACT = {"tol": 1e-9, "max_iter": 200_000, "dual": False}


@pytest.mark.parametrize("labels", [Y3, Y3 == "a", np.where(Y3 == "c", 7, 3)], ids=["three", "bool", "two numbers"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("options", [{"C": 0.01}, {"C": 1.0}, {"C": 1.0, "intercept_scaling": 3.0}])
def test_the_decision_function_is_linear_svcs(labels, class_weight, options):
    theirs = LinearSVC(class_weight=class_weight, **options, **EXACT).fit(X.astype(float), labels)
    ours = FastLinearSVC(class_weight=class_weight, **options).fit(X, labels)
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=5e-3)
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.99


def test_a_class_weight_given_label_by_label():
    weights = {"a": 5.0, "b": 0.5, "c": 1.0}
    theirs = LinearSVC(class_weight=weights, **EXACT).fit(X.astype(float), Y3)
    ours = FastLinearSVC(class_weight=weights).fit(X, Y3)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=5e-3)


def test_sample_weights_count_as_rows_do():
    twice = FastLinearSVC().fit(np.vstack([X, X[:50]]), np.concatenate([Y3, Y3[:50]]))
    weighed = FastLinearSVC().fit(X, Y3, sample_weight=np.where(np.arange(300) < 50, 2.0, 1.0))
    np.testing.assert_allclose(weighed.decision_function(X), twice.decision_function(X), atol=5e-3)


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")  # where 50 iterations do not suffice
@pytest.mark.parametrize(
    ("options", "matrix"),
    [
        ({}, scipy.sparse.csr_matrix(X)),
        ({"loss": "hinge"}, X),
        ({"penalty": "l1", "dual": False}, X),
        ({"fit_intercept": False}, X),
    ],
)
def test_another_problem_is_linear_svcs_own_result(options, matrix):
    options = {"random_state": 0, "max_iter": 50, **options}
    theirs = LinearSVC(**options).fit(matrix, Y3)
    ours = FastLinearSVC(**options).fit(matrix, Y3)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)


def test_a_wrong_option_is_named_as_linear_svc_names_it():
    with pytest.raises(ValueError, match="'C' parameter of FastLinearSVC must be a float in the range"):
        FastLinearSVC(C=-1.0).fit(X, Y3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="got one class, 'a'; expected two or more"):
        FastLinearSVC().fit(X, ["a"] * 300)


def test_it_clones_and_calibrates():
    calibrated = CalibratedClassifierCV(clone(FastLinearSVC(C=0.1)), cv=3).fit(X, Y3)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
