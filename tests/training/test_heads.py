"""The classifier that the settings name is built, and a wrong one is refused before BERT runs."""

import re

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from bert_spark.artefact.skops_audit import dump_pipeline, load_pipeline
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.errors import ConfigError, DataError
from bert_spark.settings import from_mapping
from bert_spark.training.config import HeadConfig
from bert_spark.training.fitting import fit_pipeline, predict_labels
from bert_spark.training.heads import build_head, sqrt_balanced_weights, try_head
from bert_spark.training.pipelines import build_pipeline
from tests.support.separable_examples import CONFIG, EXAMPLES, LABELS


def test_sqrt_class_weight_is_the_root_of_the_balanced_weight():
    # 3 a, 1 b: balanced gives 4 / (2 * 3) and 4 / (2 * 1)
    assert sqrt_balanced_weights(["a", "a", "a", "b"]) == pytest.approx({"a": (2 / 3) ** 0.5, "b": 2**0.5})
    head = HeadConfig(options={"class_weight": "sqrt"})
    assert build_head(head, ["a", "a", "a", "b"]).class_weight == pytest.approx({"a": (2 / 3) ** 0.5, "b": 2**0.5})


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.svm.SVC",
        "sklearn.naive_bayes.GaussianNB",
        "sklearn.neighbors.KNeighborsClassifier",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.linear_model.SGDClassifier",
    ],
)
def test_any_scikit_learn_classifier_can_be_the_head(name):
    pipeline = fit_pipeline(build_pipeline(CONFIG, "bert", HeadConfig(class_name=name, options={})), EXAMPLES)
    assert predict_labels(pipeline, EXAMPLES).tolist() == LABELS.tolist()


def test_head_is_named_class_in_toml():
    head = from_mapping(
        HeadConfig, {"class": "sklearn.linear_model.RidgeClassifier", "options": {"alpha": 2.0}}, "[head]"
    )
    assert type(build_head(head)).__name__ == "RidgeClassifier"
    with pytest.raises(ConfigError, match=re.escape("[head]: unknown ['class_name']; known are ['class', 'options'")):
        from_mapping(HeadConfig, {"class_name": "x"}, "[head]")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("os.system", {}, "head 'os.system' is not scikit-learn's"),
        ("sklearn.svm.NoSuchThing", {}, "has no attribute 'NoSuchThing'"),
        ("sklearn.svm.LinearSVC", {"c": 1}, "unexpected keyword argument 'c'"),
        ("sklearn.preprocessing.StandardScaler", {}, "has neither decision_function nor predict_proba"),
    ],
)
def test_wrong_head_is_refused_with_its_reason(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_head(HeadConfig(class_name=name, options=options))


@pytest.mark.parametrize(
    ("features", "name", "options", "message"),
    [
        ("bert", "sklearn.svm.LinearSVC", {"C": -1.0}, "'C' parameter of FastLinearSVC must be"),
        ("bert", "sklearn.svm.LinearSVC", {"class_weight": {"sad": 2.0}}, "sad"),
        ("tfidf", "sklearn.naive_bayes.GaussianNB", {}, "[Dd]ense"),
    ],
)
def test_try_head_raises_what_the_classifier_refuses(features, name, options, message):
    with pytest.raises(ConfigError, match=message):
        try_head(features, HeadConfig(class_name=name, options=options), LABELS.tolist())
    try_head("bert", HeadConfig(), LABELS.tolist())


@pytest.mark.parametrize("name", ["ensemble.RandomForestClassifier", "gaussian_process.GaussianProcessClassifier"])
def test_a_head_that_can_not_be_saved_is_refused_before_bert_runs(name):
    with pytest.raises(
        ConfigError, match=r"can be fitted but not saved \(.* not trusted: \['sklearn.*; choose a linear cl"
    ):
        try_head("bert", HeadConfig(class_name=f"sklearn.{name}", options={}), LABELS.tolist())


@pytest.mark.filterwarnings("ignore")  # the iterations of the neural network
@pytest.mark.parametrize("name", ["neural_network.MLPClassifier", "neighbors.KNeighborsClassifier"])
def test_a_head_with_parts_of_its_own_is_saved_and_gives_the_same(name):
    head = HeadConfig(class_name=f"sklearn.{name}", options={})
    try_head("bert", head, LABELS.tolist())
    rows = np.random.default_rng(0).random((len(LABELS), 32)).astype(np.float32)
    fitted = make_pipeline(build_head(head)).fit(rows, LABELS)
    loaded = load_pipeline(dump_pipeline(fitted, TRUSTED_TYPES), "a test", TRUSTED_TYPES)
    assert loaded.predict(rows).tolist() == fitted.predict(rows).tolist()


def test_class_of_one_row_cannot_be_calibrated():
    with pytest.raises(DataError, match="class 'rare' has 1 training row; calibration needs 2 or more"):
        try_head("bert", HeadConfig(calibrate="sigmoid"), ["a", "a", "b", "b", "rare"])
