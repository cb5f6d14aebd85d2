"""FastLinearSVC has the decision function of LinearSVC: the objective is the same, only the solver differs."""

import os
import signal
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from bert_spark.estimators import linear_svc
from bert_spark.estimators.linear_svc import FastLinearSVC

RNG = np.random.default_rng(0)


# correlated coordinates of different scales away from the origin, as in BERT's vectors
X = (RNG.normal(size=(300, 12)) @ RNG.normal(size=(12, 12)) * np.logspace(-1, 1, 12) + 1).astype(np.float32)


Y3 = np.array(["a", "b", "c"])[np.argmax(X[:, :3] / X[:, :3].std(axis=0) + RNG.normal(size=(300, 3)), axis=1)]


TIGHT = {"tol": 1e-9, "max_iter": 200_000, "dual": False}


@pytest.mark.parametrize("labels", [Y3, Y3 == "a", np.where(Y3 == "c", 7, 3)], ids=["three", "bool", "two numbers"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("options", [{"C": 0.01}, {"C": 1.0}, {"C": 1.0, "intercept_scaling": 3.0}])
def test_the_decision_function_equals_linear_svc(labels, class_weight, options):
    reference = LinearSVC(class_weight=class_weight, **options, **TIGHT).fit(X.astype(float), labels)
    actual = FastLinearSVC(class_weight=class_weight, **options).fit(X, labels)
    assert actual.coef_.shape == reference.coef_.shape
    np.testing.assert_array_equal(actual.classes_, reference.classes_)
    np.testing.assert_allclose(actual.decision_function(X), reference.decision_function(X), atol=5e-3)
    assert (actual.predict(X) == reference.predict(X)).mean() > 0.99


def test_class_weights_by_label():
    weights = {"a": 5.0, "b": 0.5, "c": 1.0}
    reference = LinearSVC(class_weight=weights, **TIGHT).fit(X.astype(float), Y3)
    actual = FastLinearSVC(class_weight=weights).fit(X, Y3)
    np.testing.assert_allclose(actual.decision_function(X), reference.decision_function(X), atol=5e-3)


def test_a_sample_weight_of_two_equals_a_row_twice():
    repeated = FastLinearSVC().fit(np.vstack([X, X[:50]]), np.concatenate([Y3, Y3[:50]]))
    weighted = FastLinearSVC().fit(X, Y3, sample_weight=np.where(np.arange(300) < 50, 2.0, 1.0))
    np.testing.assert_allclose(weighted.decision_function(X), repeated.decision_function(X), atol=5e-3)


@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")  # 50 iterations may not be enough
@pytest.mark.parametrize(
    ("options", "matrix"),
    [
        ({"loss": "hinge"}, X),
        ({"penalty": "l1", "dual": False}, X),
        ({"fit_intercept": False}, X),
    ],
)
def test_unsupported_problems_are_solved_by_linear_svc(options, matrix):
    options = {"random_state": 0, "max_iter": 50, **options}
    reference = LinearSVC(**options).fit(matrix, Y3)
    actual = FastLinearSVC(**options).fit(matrix, Y3)
    np.testing.assert_array_equal(actual.coef_, reference.coef_)


SPARSE = scipy.sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))


@pytest.fixture
def in_processes(monkeypatch):
    """Let even few sparse rows be fitted in processes of their own, two at a time."""
    monkeypatch.setattr(linear_svc, "MIN_NUMBERS", 1)
    monkeypatch.setattr(linear_svc.joblib, "cpu_count", lambda: 2)


@pytest.mark.parametrize(
    ("options", "weight"),
    [
        ({}, None),
        ({"class_weight": "balanced"}, None),
        ({"class_weight": {"a": 5.0, "b": 0.5, "c": 1.0}, "fit_intercept": False}, np.arange(1, 301) / 100),
        ({"class_weight": "balanced", "intercept_scaling": 3.0}, np.arange(1, 301) / 100),
    ],
)
def test_sparse_rows_get_the_decision_function_of_linear_svc(in_processes, options, weight):
    options = {**TIGHT, **options}
    reference = LinearSVC(**options).fit(SPARSE, Y3, weight)
    actual = FastLinearSVC(**options).fit(SPARSE, Y3, weight)
    assert actual.coef_.shape == reference.coef_.shape
    np.testing.assert_allclose(actual.decision_function(SPARSE), reference.decision_function(SPARSE), atol=1e-4)
    assert np.shape(actual.intercept_) == np.shape(reference.intercept_)


def test_the_number_of_processes_does_not_change_the_fit_of_sparse_rows(monkeypatch):
    options = {"dual": True, "random_state": 0, "max_iter": 5}  # not converged: the order of the rows is seen
    with pytest.warns(ConvergenceWarning, match="liblinear failed to converge in 5 iterations"):
        here = FastLinearSVC(**options).fit(SPARSE, Y3)
    monkeypatch.setattr(linear_svc, "MIN_NUMBERS", 1)
    monkeypatch.setattr(linear_svc.joblib, "cpu_count", lambda: 2)  # else one core would compare a fit with itself
    with pytest.warns(ConvergenceWarning, match="liblinear failed to converge in 5 iterations"):
        apart = FastLinearSVC(**options).fit(SPARSE, Y3)
    np.testing.assert_array_equal(here.coef_, apart.coef_)


def test_a_disk_without_room_for_the_rows_costs_only_time(in_processes, monkeypatch):
    expected, parallel = FastLinearSVC(random_state=0).fit(SPARSE, Y3), joblib.Parallel

    def full_disk(processes, **settings):
        if processes > 1:
            raise OSError(28, "No space left on device")
        return parallel(processes, **settings)

    monkeypatch.setattr(linear_svc.joblib, "Parallel", full_disk)
    np.testing.assert_array_equal(FastLinearSVC(random_state=0).fit(SPARSE, Y3).coef_, expected.coef_)


def test_a_process_that_is_killed_costs_only_time(in_processes, monkeypatch):
    parent, fit_class, expected = os.getpid(), linear_svc._fit_class, FastLinearSVC(random_state=0).fit(SPARSE, Y3)

    def killed(*arguments):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return fit_class(*arguments)

    monkeypatch.setattr(linear_svc, "_fit_class", killed)
    np.testing.assert_array_equal(FastLinearSVC(random_state=0).fit(SPARSE, Y3).coef_, expected.coef_)


def test_an_invalid_option_is_named():
    with pytest.raises(ValueError, match="'C' parameter of FastLinearSVC must be a float in the range"):
        FastLinearSVC(C=-1.0).fit(X, Y3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="got one class, 'a'; expected two or more"):
        FastLinearSVC().fit(X, ["a"] * 300)


def test_cloning_and_calibration():
    calibrated = CalibratedClassifierCV(clone(FastLinearSVC(C=0.1)), cv=3).fit(X, Y3)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize(("options", "warns"), [({"max_iter": 2}, True), ({}, False), ({"C": 1000.0}, False)])
def test_too_few_iterations_are_warned_of(options, warns):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FastLinearSVC(**options).fit(X, Y3)
    found = [warning for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    assert len(found) == warns
    assert all("failed to converge in 2 iterations: raise max_iter" in str(warning.message) for warning in found)
