"""Metrics of each split, and the most confused pairs of classes."""

import numpy as np
import pytest
from sklearn import metrics

from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.evaluation import confused_pairs, evaluate_counts, evaluate_predictions, evaluate_splits
from bert_spark.training.fitting import fit_and_predict, predict_labels
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import split_examples
from tests.support.separable_examples import CLASSES, CONFIG, EXAMPLES


def test_metrics_cover_model_baseline_and_majority():
    parts = split_examples(EXAMPLES, seed=0)
    model, baseline = (
        fit_and_predict(build_pipeline(CONFIG, features, HeadConfig(), parts["train"].labels.tolist()), parts)
        for features in ("bert", "tfidf")
    )
    figures = evaluate_splits(parts, model, baseline)
    counts = {name: int((parts["test"].labels == name).sum()) for name in CLASSES}
    values, rows = np.unique(parts["train"].labels, return_counts=True)
    assert figures["test"]["accuracy"] == 1.0
    assert figures["test_tfidf"]["accuracy"] == 1.0
    assert figures["test_majority"]["accuracy"] == counts[values[rows.argmax()]] / len(parts["test"].texts)
    assert np.trace(figures["test"]["confusion"]) == figures["test"]["rows"] == len(parts["test"].texts)


def test_metrics_of_counted_pairs_are_those_of_the_rows():
    counts = {("a", "a"): 5, ("a", "b"): 2, ("b", "b"): 3, (None, "b"): 4}
    truth, predicted = zip(*[pair for pair, rows in counts.items() for _ in range(rows)], strict=True)
    expected = evaluate_predictions(truth, predicted, ["a", "b"])
    found = evaluate_counts(counts, ["a", "b"])
    assert found.pop("majority_accuracy") == 0.5
    assert found == expected
    assert found["accuracy"] == 8 / 14
    assert evaluate_counts({}, ["a", "b"]) == {"rows": 0}


def test_confused_pairs_hold_texts_only_on_request():
    truth, predicted, texts = ["a", "a", "b", "b"], ["b", "b", "b", "a"], ["one", "two", "three", "four"]
    assert confused_pairs(truth, predicted, None) == [
        {"true": "a", "predicted": "b", "rows": 2},
        {"true": "b", "predicted": "a", "rows": 1},
    ]
    assert confused_pairs(truth, predicted, texts)[0]["texts"] == ["one", "two"]


@pytest.mark.parametrize("labels", [["a", "b", "never"], [1, 2, 10]])
def test_metrics_are_those_of_scikit_learn(labels):
    """The last label has no row in the truth, and one in the predictions."""
    a, b, c = labels
    truth, predicted = [a, a, b, b, a, b, b], [a, b, b, b, a, c, a]
    figures = evaluate_predictions(truth, predicted, labels)
    options = {"labels": labels, "zero_division": 0}
    assert figures["accuracy"] == metrics.accuracy_score(truth, predicted)
    assert figures["f1_weighted"] == metrics.f1_score(truth, predicted, average="weighted", **options)
    assert figures["f1_macro"] == metrics.f1_score(truth, predicted, average="macro", **options)
    assert figures["text"] == metrics.classification_report(truth, predicted, **options)
    assert figures["by_class"] == metrics.classification_report(truth, predicted, output_dict=True, **options)
    assert figures["confusion"] == metrics.confusion_matrix(truth, predicted, labels=labels).tolist()


@pytest.mark.parametrize("features", ["bert", "tfidf", "bert+tfidf"])
def test_predictions_of_all_splits_are_those_of_the_fitted_pipeline(features):
    parts = split_examples(EXAMPLES, seed=0)
    pipeline = build_pipeline(CONFIG, features, HeadConfig(scale=True), parts["train"].labels.tolist())
    predicted = fit_and_predict(pipeline, parts)
    for name, part in parts.items():
        assert predicted[name].tolist() == predict_labels(pipeline, part).tolist()


def test_report_holds_no_texts_by_default():
    assert not TrainConfig().examples
