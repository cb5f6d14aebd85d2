"""Pipelines over BERT, TF-IDF or both learn what can be learnt. Vectors made by hand stand for BERT."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV

from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.training.config import HeadConfig
from bert_spark.training.fitting import fit_pipeline, predict_labels
from bert_spark.training.pipelines import build_baseline, build_pipeline
from tests.support.separable_examples import CONFIG, EXAMPLES, LABELS, TEXTS


@pytest.mark.parametrize("features", ["bert", "tfidf", "bert+tfidf"])
@pytest.mark.parametrize("options", [{}, {"scale": True}, {"calibrate": "sigmoid"}, {"calibrate": "isotonic"}])
def test_pipeline_learns_separable_classes(features, options):
    pipeline = build_pipeline(CONFIG, features, HeadConfig(**options), LABELS.tolist())
    assert predict_labels(fit_pipeline(pipeline, EXAMPLES), EXAMPLES).tolist() == LABELS.tolist()
    assert isinstance(pipeline[-1], CalibratedClassifierCV if "calibrate" in options else FastLinearSVC)


@pytest.mark.parametrize("calibrate", ["off", "sigmoid"])
def test_the_baseline_is_the_same_classifier_with_a_tolerance_of_its_own(calibrate):
    head, labels = HeadConfig(calibrate=calibrate), LABELS.tolist()
    expected = build_pipeline(CONFIG, "tfidf", head, labels, 2.0).get_params()
    actual = build_baseline(CONFIG, head, labels, 2.0).get_params()
    differing = {key for key in expected if not _are_steps(expected[key]) and expected[key] != actual[key]}
    place = "classifier" if calibrate == "off" else "classifier__estimator"
    assert {key: actual[key] for key in differing} == {f"{place}__tol": 0.003, f"{place}__dual": True}


@pytest.mark.parametrize(
    "head",
    [
        HeadConfig(class_name="sklearn.linear_model.LogisticRegression", options={"C": 2.0}),
        HeadConfig(options={"tol": 1e-6}),
        HeadConfig(options={"penalty": "l1", "dual": False}),
    ],
)
def test_the_baseline_of_a_classifier_that_is_told_how_to_solve_is_left_as_it_is(head):
    assert build_baseline(CONFIG, head)[-1].get_params() == build_pipeline(CONFIG, "tfidf", head)[-1].get_params()


def _are_steps(value):
    return isinstance(value, list | BaseEstimator)


def test_scaling_applies_to_bert_features_only():
    pipeline = build_pipeline(CONFIG, "bert+tfidf", HeadConfig(scale=True), LABELS.tolist())
    fit_pipeline(pipeline, EXAMPLES)
    scaler = pipeline[0].transformer_list[1][1][-1]
    np.testing.assert_allclose(scaler.mean_, [1 / 3] * 3)


def test_tfidf_weight_multiplies_the_tfidf_features():
    heavy = build_pipeline(CONFIG, "bert+tfidf", HeadConfig(), LABELS.tolist(), tfidf_weight=3.0)
    light = build_pipeline(CONFIG, "tfidf", HeadConfig(), LABELS.tolist())
    fit_pipeline(heavy, EXAMPLES), fit_pipeline(light, EXAMPLES)
    columns = light[0].transform(TEXTS).shape[1]
    with_bert = heavy[0].set_params(bert__encoder=None)
    np.testing.assert_allclose(
        (with_bert.set_params(bert="drop").transform(TEXTS)[:, :columns] / 3).toarray(),
        light[0].transform(TEXTS).toarray(),
        atol=1e-6,
    )
