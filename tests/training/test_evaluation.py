"""Metrics of each split, and the most confused pairs of classes."""

import numpy as np

from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.evaluation import confused_pairs, confused_pairs_of_split, evaluate_splits
from bert_spark.training.examples import Examples
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import split_examples
from tests.support.separable_examples import CLASSES, CONFIG, EXAMPLES, LABELS, TEXTS, VECTORS


def test_metrics_cover_model_baseline_and_majority():
    parts = split_examples(EXAMPLES, seed=0)
    model = fit_pipeline(build_pipeline(CONFIG, "bert", HeadConfig(), parts["train"].labels.tolist()), parts["train"])
    baseline = fit_pipeline(
        build_pipeline(CONFIG, "tfidf", HeadConfig(), parts["train"].labels.tolist()), parts["train"]
    )
    figures = evaluate_splits(model, parts, baseline)
    counts = {name: int((parts["test"].labels == name).sum()) for name in CLASSES}
    values, rows = np.unique(parts["train"].labels, return_counts=True)
    assert figures["test"]["accuracy"] == 1.0
    assert figures["test_tfidf"]["accuracy"] == 1.0
    assert figures["test_majority"]["accuracy"] == counts[values[rows.argmax()]] / len(parts["test"].texts)
    assert np.trace(figures["test"]["confusion"]) == figures["test"]["rows"] == len(parts["test"].texts)


def test_confused_pairs_hold_texts_only_on_request():
    truth, predicted, texts = ["a", "a", "b", "b"], ["b", "b", "b", "a"], ["one", "two", "three", "four"]
    assert confused_pairs(truth, predicted, None) == [
        {"true": "a", "predicted": "b", "rows": 2},
        {"true": "b", "predicted": "a", "rows": 1},
    ]
    assert confused_pairs(truth, predicted, texts)[0]["texts"] == ["one", "two"]
    model = fit_pipeline(build_pipeline(CONFIG, "bert", HeadConfig()), EXAMPLES)
    wrong = Examples(TEXTS, VECTORS, np.roll(LABELS, 1))
    assert "texts" not in confused_pairs_of_split(model, wrong, with_texts=False)[0]
    assert confused_pairs_of_split(model, wrong, with_texts=True)[0]["texts"][0] in TEXTS


def test_report_holds_no_texts_by_default():
    assert not TrainConfig().examples
