"""Pipelines over BERT, TF-IDF or both learn what can be learnt. Vectors made by hand stand for BERT."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV

from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.training.config import HeadConfig
from bert_spark.training.fitting import fit_pipeline, predict_labels
from bert_spark.training.pipelines import build_pipeline
from tests.support.separable_examples import CONFIG, EXAMPLES, LABELS, TEXTS


@pytest.mark.parametrize("features", ["bert", "tfidf", "bert+tfidf"])
@pytest.mark.parametrize("options", [{}, {"scale": True}, {"calibrate": "sigmoid"}, {"calibrate": "isotonic"}])
def test_pipeline_learns_separable_classes(features, options):
    pipeline = build_pipeline(CONFIG, features, HeadConfig(**options), LABELS.tolist())
    assert predict_labels(fit_pipeline(pipeline, EXAMPLES), EXAMPLES).tolist() == LABELS.tolist()
    assert isinstance(pipeline[-1], CalibratedClassifierCV if "calibrate" in options else FastLinearSVC)


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
