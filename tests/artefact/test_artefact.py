"""A loaded artefact predicts as the pipeline that was saved."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import save_artefact
from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.pipeline_introspection import decision_values
from bert_spark.estimators.text_cleaner import TextCleaner
from bert_spark.training.config import HeadConfig
from bert_spark.training.pipelines import build_pipeline
from tests.support.artefacts import LABELS, TEXTS, tfidf_and_bert

PIPELINES = {
    "bert": lambda bert: make_pipeline(bert, LinearSVC()),
    "tfidf beside bert": tfidf_and_bert,
    "tfidf alone": lambda bert: make_pipeline(TextCleaner(), TfidfVectorizer(), FastLinearSVC()),
    "tfidf of the jobs": lambda bert: build_pipeline(EncoderConfig(), "tfidf", HeadConfig()),
    "calibrated": lambda bert: make_pipeline(bert, CalibratedClassifierCV(FastLinearSVC(), cv=2, ensemble=False)),
    "isotonic": lambda bert: make_pipeline(
        bert, CalibratedClassifierCV(FastLinearSVC(), method="isotonic", cv=2, ensemble=False)
    ),
    "logistic": lambda bert: make_pipeline(bert, LogisticRegression()),
}


@pytest.mark.parametrize("build", PIPELINES.values(), ids=list(PIPELINES))
def test_loaded_artefact_predicts_as_the_trained_pipeline(build, bert, tmp_path):
    pipeline = build(bert).fit(TEXTS, LABELS)
    digest = save_artefact(tmp_path / "a", pipeline)
    loaded = load_artefact(tmp_path / "a", digest)
    assert loaded.pipeline.predict(TEXTS).tolist() == pipeline.predict(TEXTS).tolist()
    np.testing.assert_array_equal(loaded.decision(TEXTS), decision_values(pipeline, TEXTS))
    assert loaded.labels.tolist() == ["+", "-", "o"]
    assert loaded.gives_probabilities == (not hasattr(pipeline, "decision_function"))
    assert loaded.uses_bert == ("bert" in str(pipeline).lower())


def test_decision_uses_the_vectors_passed_to_it(saved, bert):
    loaded = load_artefact(saved)
    vectors = bert.fit_transform(TEXTS)
    expected = loaded.decision(TEXTS)
    other = np.roll(vectors, 1, axis=0)
    np.testing.assert_allclose(loaded.decision(TEXTS, other), np.roll(expected, 1, axis=0), atol=1e-5)


def test_two_classes_have_opposite_scores(bert, tmp_path):
    pipeline = make_pipeline(bert, FastLinearSVC()).fit(TEXTS, [label == "+" for label in LABELS])
    values = decision_values(pipeline, TEXTS)
    np.testing.assert_array_equal(values[:, 0], -values[:, 1])
    np.testing.assert_array_equal(values[:, 1], pipeline.decision_function(TEXTS))


def test_no_texts_give_no_rows(fitted):
    assert decision_values(fitted, []).shape == (0, 3)
