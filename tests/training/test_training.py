"""What is trained and how it is judged: pipelines, heads, splits, figures. BERT is vectors made by hand."""

import re

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError, DataError
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.settings import from_mapping
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.evaluation import confused_pairs, confused_pairs_of_split, evaluate_splits
from bert_spark.training.examples import Examples
from bert_spark.training.fitting import fit_pipeline, predict_labels
from bert_spark.training.heads import build_head, sqrt_balanced_weights, try_head
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import check_splits, count_conflicting_texts, split_examples

CONFIG = EncoderConfig()
WORDS = ["good", "bad", "fine"]
TEXTS = [f"{WORDS[i % 3]} day number {i}" for i in range(90)]
LABELS = np.array([WORDS[i % 3] for i in range(90)])
# each class has a coordinate of its own
VECTORS = np.eye(3, dtype=np.float32)[np.arange(90) % 3]
EXAMPLES = Examples(TEXTS, VECTORS, LABELS)


@pytest.mark.parametrize("features", ["bert", "tfidf", "bert+tfidf"])
@pytest.mark.parametrize("options", [{}, {"scale": True}, {"calibrate": "sigmoid"}, {"calibrate": "isotonic"}])
def test_every_kind_of_pipeline_learns_what_can_be_learnt(features, options):
    pipeline = build_pipeline(CONFIG, features, HeadConfig(**options), LABELS.tolist())
    assert predict_labels(fit_pipeline(pipeline, EXAMPLES), EXAMPLES).tolist() == LABELS.tolist()
    assert isinstance(pipeline[-1], CalibratedClassifierCV if "calibrate" in options else FastLinearSVC)


def test_scaling_is_of_berts_numbers_alone():
    pipeline = build_pipeline(CONFIG, "bert+tfidf", HeadConfig(scale=True), LABELS.tolist())
    fit_pipeline(pipeline, EXAMPLES)
    scaler = pipeline[0].transformer_list[1][1][-1]
    np.testing.assert_allclose(scaler.mean_, [1 / 3] * 3)


def test_tfidf_is_weighed():
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


def test_square_root_balance_stands_between_none_and_balanced():
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


def test_the_head_is_named_class_in_toml():
    head = from_mapping(
        HeadConfig, {"class": "sklearn.linear_model.RidgeClassifier", "options": {"alpha": 2.0}}, "[head]"
    )
    assert type(build_head(head)).__name__ == "RidgeClassifier"
    with pytest.raises(ConfigError, match=re.escape("[head]: unknown ['class_name']; known are ['class', 'options'")):
        from_mapping(HeadConfig, {"class_name": "x"}, "[head]")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("os.system", {}, "head 'os.system' is not scikit-learn's"),
        ("sklearn.svm.NoSuchThing", {}, "has no attribute 'NoSuchThing'"),
        ("sklearn.svm.LinearSVC", {"c": 1}, "unexpected keyword argument 'c'"),
        ("sklearn.preprocessing.StandardScaler", {}, "has neither decision_function nor predict_proba"),
    ],
)
def test_a_wrong_head_is_named(name, options, said):
    with pytest.raises(ConfigError, match=said):
        build_head(HeadConfig(class_name=name, options=options))


@pytest.mark.parametrize(
    ("features", "name", "options", "said"),
    [
        ("bert", "sklearn.svm.LinearSVC", {"C": -1.0}, "'C' parameter of FastLinearSVC must be"),
        ("bert", "sklearn.svm.LinearSVC", {"class_weight": {"sad": 2.0}}, "sad"),
        ("tfidf", "sklearn.naive_bayes.GaussianNB", {}, "[Dd]ense"),
    ],
)
def test_what_a_head_refuses_shows_before_bert_runs(features, name, options, said):
    with pytest.raises(ConfigError, match=said):
        try_head(features, HeadConfig(class_name=name, options=options), LABELS.tolist())
    try_head("bert", HeadConfig(), LABELS.tolist())


def test_a_class_of_one_row_cannot_be_calibrated():
    with pytest.raises(DataError, match="class 'rare' has 1 training row; a calibration needs 2 or more"):
        try_head("bert", HeadConfig(calibrate="sigmoid"), ["a", "a", "b", "b", "rare"])


def test_a_text_stands_in_one_split_however_it_is_written():
    parts = split_examples(
        Examples(["Hi  there", "hi there ", *TEXTS], np.zeros((92, 1), np.float32), np.arange(92)), seed=0
    )
    holders = [name for name, part in parts.items() if {0, 1} & set(part.labels.tolist())]
    assert len(holders) == 1
    assert sum(len(part.texts) for part in parts.values()) == 92


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["joy"] * 90, r"labels hold 1 class \(\['joy'\]\)"),
        ([1, "joy"] * 45, r"labels are of the types \['int', 'str'\]; expected one"),
        (["joy ", "sad"] * 45, r"labels \['joy '\] are blank or have blanks around them"),
        (["", "sad"] * 45, r"labels \[''\] are blank"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels, said):
    with pytest.raises(DataError, match=said):
        check_splits(TEXTS, labels, seed=0)


def test_a_class_absent_from_training_is_said():
    held_out = split_examples(EXAMPLES, seed=0)["test"].texts[0]
    labels = ["new" if text == held_out else label for text, label in zip(TEXTS, LABELS.tolist(), strict=True)]
    warnings = check_splits(TEXTS, labels, seed=0)
    assert "class 'new' has no row in train: it can never be predicted" in warnings
    assert "class 'new' has 1 rows in test: its figures say little" in warnings


def test_too_few_rows_to_split_are_refused():
    with pytest.raises(DataError, match="split of 2 rows is empty; give more rows"):
        check_splits(["a", "b"], ["x", "y"], seed=0)


def test_conflicting_labels_are_counted_by_folded_text():
    assert count_conflicting_texts(["Hi", "hi ", "yes", "yes"], ["a", "b", "a", "a"]) == 1


def test_figures_of_model_baseline_and_majority_stand_side_by_side():
    parts = split_examples(EXAMPLES, seed=0)
    model = fit_pipeline(build_pipeline(CONFIG, "bert", HeadConfig(), parts["train"].labels.tolist()), parts["train"])
    baseline = fit_pipeline(
        build_pipeline(CONFIG, "tfidf", HeadConfig(), parts["train"].labels.tolist()), parts["train"]
    )
    figures = evaluate_splits(model, parts, baseline)
    counts = {name: int((parts["test"].labels == name).sum()) for name in WORDS}
    values, rows = np.unique(parts["train"].labels, return_counts=True)
    assert figures["test"]["accuracy"] == 1.0
    assert figures["test_tfidf"]["accuracy"] == 1.0
    assert figures["test_majority"]["accuracy"] == counts[values[rows.argmax()]] / len(parts["test"].texts)
    assert np.trace(figures["test"]["confusion"]) == figures["test"]["rows"] == len(parts["test"].texts)


def test_texts_of_mistakes_are_private_unless_asked_for():
    truth, guess, texts = ["a", "a", "b", "b"], ["b", "b", "b", "a"], ["one", "two", "three", "four"]
    assert confused_pairs(truth, guess, None) == [
        {"true": "a", "predicted": "b", "rows": 2},
        {"true": "b", "predicted": "a", "rows": 1},
    ]
    assert confused_pairs(truth, guess, texts)[0]["texts"] == ["one", "two"]
    model = fit_pipeline(build_pipeline(CONFIG, "bert", HeadConfig()), EXAMPLES)
    wrong = Examples(TEXTS, VECTORS, np.roll(LABELS, 1))
    assert "texts" not in confused_pairs_of_split(model, wrong, with_texts=False)[0]
    assert confused_pairs_of_split(model, wrong, with_texts=True)[0]["texts"][0] in TEXTS


def test_rows_that_cannot_be_fitted_say_why():
    lonely = Examples(["a", "b"], np.zeros((2, 0), np.float32), np.array(["x", "y"]))
    with pytest.raises(DataError, match=r"the training rows \(2\) can't be fitted: .*empty vocabulary"):
        fit_pipeline(build_pipeline(CONFIG, "tfidf", HeadConfig()), lonely)


def test_texts_are_private_by_default():
    assert not TrainConfig().examples
