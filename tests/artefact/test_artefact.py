"""An artefact gives back what was trained, anywhere; what can't be saved is refused."""

import json
import tomllib

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from transformers import AutoModel, AutoTokenizer

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import save_artefact
from bert_spark.artefact.trusted_types import TRUSTED_TYPES
from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ArtefactError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.pipeline_introspection import decision_values
from bert_spark.estimators.text_cleaner import TextCleaner
from tests.support.artefacts import LABELS, TEXTS
from tests.support.paths import ROOT


def union_of(bert):
    tfidf = make_pipeline(CountVectorizer(), TfidfTransformer())
    return make_pipeline(FeatureUnion([("tfidf", tfidf), ("bert", bert)]), LinearSVC())


PIPELINES = {
    "bert": lambda bert: make_pipeline(bert, LinearSVC()),
    "tfidf beside bert": union_of,
    "tfidf alone": lambda bert: make_pipeline(TextCleaner(), TfidfVectorizer(), FastLinearSVC()),
    "calibrated": lambda bert: make_pipeline(bert, CalibratedClassifierCV(FastLinearSVC(), cv=2, ensemble=False)),
    "isotonic": lambda bert: make_pipeline(
        bert, CalibratedClassifierCV(FastLinearSVC(), method="isotonic", cv=2, ensemble=False)
    ),
    "logistic": lambda bert: make_pipeline(bert, LogisticRegression()),
}


@pytest.mark.parametrize("build", PIPELINES.values(), ids=list(PIPELINES))
def test_a_loaded_artefact_predicts_as_the_trained_pipeline(build, bert, tmp_path):
    pipeline = build(bert).fit(TEXTS, LABELS)
    digest = save_artefact(tmp_path / "a", pipeline)
    loaded = load_artefact(tmp_path / "a", digest)
    assert loaded.pipeline.predict(TEXTS).tolist() == pipeline.predict(TEXTS).tolist()
    np.testing.assert_array_equal(loaded.decision(TEXTS), decision_values(pipeline, TEXTS))
    assert loaded.labels.tolist() == ["+", "-", "o"]
    assert loaded.gives_probabilities == (not hasattr(pipeline, "decision_function"))
    assert loaded.uses_bert == ("bert" in str(pipeline).lower())


def test_given_vectors_are_used_and_bert_does_not_run(saved, bert):
    loaded = load_artefact(saved)
    vectors = bert.fit_transform(TEXTS)
    expected = loaded.decision(TEXTS)
    other = np.roll(vectors, 1, axis=0)
    np.testing.assert_allclose(loaded.decision(TEXTS, other), np.roll(expected, 1, axis=0), atol=1e-5)


def test_two_classes_have_two_values_that_mirror_each_other(bert, tmp_path):
    pipeline = make_pipeline(bert, FastLinearSVC()).fit(TEXTS, [label == "+" for label in LABELS])
    values = decision_values(pipeline, TEXTS)
    np.testing.assert_array_equal(values[:, 0], -values[:, 1])
    np.testing.assert_array_equal(values[:, 1], pipeline.decision_function(TEXTS))


def test_no_texts_are_no_rows(plain):
    assert decision_values(plain, []).shape == (0, 3)


def test_metadata_says_what_it_was_made_of(bert, tmp_path):
    save_artefact(tmp_path / "a", union_of(bert).fit(TEXTS, LABELS), {"split": {"seed": 7}, "fingerprint": "forged"})
    metadata = json.loads((tmp_path / "a" / "metadata.json").read_text())
    words = len(set(" ".join(TEXTS).split()) - {"i"})
    assert metadata["features"] == [
        {"name": "tfidf", "first": 0, "columns": words},
        {"name": "bert", "first": words, "columns": 32},
    ]
    assert metadata["labels"] == ["+", "-", "o"]
    assert metadata["split"] == {"seed": 7}
    assert len(metadata["fingerprint"]) == 64
    assert metadata["encoder"]["max_length"] == 60
    assert {"python", "scikit-learn", "skops", "torch", "transformers"} <= set(metadata["versions"])


def test_no_weights_are_copied_and_no_text_of_bert_alone(saved):
    assert sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()) < 30_000
    assert not any(b"hate this" in path.read_bytes() for path in saved.rglob("*"))


def test_trained_on_a_gpu_with_a_remote_encoder_it_loads_where_there_is_neither(bert, tmp_path):
    pipeline = make_pipeline(BertTransformer(model=bert.model), FastLinearSVC()).fit(TEXTS, LABELS)
    step = pipeline[0].set_params(device="cuda", encoder="elsewhere", memory="/somewhere")
    save_artefact(tmp_path / "a", pipeline)
    assert (step.device, step.encoder, step.memory) == ("cuda", "elsewhere", "/somewhere")
    loaded = load_artefact(tmp_path / "a")
    assert (loaded.config.device, loaded.pipeline[0].device, loaded.pipeline[0].encoder) == ("auto", "auto", None)
    assert set(loaded.pipeline.predict(TEXTS)) == {"+", "-", "o"}


# ---- what can't be saved, and what to write instead


def test_a_live_model_is_refused_on_saving(tiny_bert, tmp_path):
    live = BertTransformer(AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert))
    pipeline = make_pipeline(live, FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match=r"write BertTransformer\(model='name or folder'\)"):
        save_artefact(tmp_path / "a", pipeline)


def test_an_embedding_func_is_refused_on_saving(tiny_bert, tmp_path):
    step = BertTransformer(model=str(tiny_bert), embedding_func=lambda x: x[0][:, 0])
    with pytest.raises(ArtefactError, match="use pooling='cls'"):
        save_artefact(tmp_path / "a", make_pipeline(step, FastLinearSVC()).fit(TEXTS, LABELS))


def test_a_lambda_elsewhere_is_refused_on_saving(bert, tmp_path):
    pipeline = make_pipeline(bert, FunctionTransformer(lambda x: x * 2), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="scikit-learn's own classes"):
        save_artefact(tmp_path / "a", pipeline)
    assert not (tmp_path / "a").exists()


def test_two_encoders_are_refused_on_saving(bert, tmp_path):
    other = BertTransformer(model=bert.model, pooling="mean")
    pipeline = make_pipeline(FeatureUnion([("a", bert), ("b", other)]), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="2 different encoders; an artefact holds one"):
        save_artefact(tmp_path / "a", pipeline)


# ---- bundles


def test_a_bundle_predicts_where_the_model_is_not(tmp_path, tiny_bert):
    import shutil

    folder = shutil.copytree(tiny_bert, tmp_path / "bert")
    (folder / "modeling_evil.py").write_text("raise AssertionError")
    pipeline = make_pipeline(BertTransformer(model=str(folder)), FastLinearSVC()).fit(TEXTS, LABELS)
    expected = pipeline.decision_function(TEXTS)
    save_artefact(tmp_path / "a", pipeline, bundle=True)
    shutil.rmtree(folder)
    moved = shutil.move(tmp_path / "a", tmp_path / "elsewhere")
    loaded = load_artefact(moved)
    np.testing.assert_allclose(loaded.pipeline.decision_function(TEXTS), expected, atol=1e-5)
    names = {path.name for path in (tmp_path / "elsewhere" / "model").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not any(name.endswith(".py") for name in names)


def test_a_bundle_on_a_store_is_copied_here_once(tmp_path, plain):
    import fsspec

    save_artefact("memory://store/a", plain, bundle=True)
    loaded = load_artefact("memory://store/a")
    assert loaded.config.model.startswith("/")
    assert load_artefact("memory://store/a").config.model == loaded.config.model
    np.testing.assert_allclose(loaded.decision(TEXTS), decision_values(plain, TEXTS), atol=1e-5)
    fsspec.filesystem("memory").rm("/store", recursive=True)


def test_a_damaged_weight_file_in_a_bundle_is_refused(tmp_path, plain):
    save_artefact(tmp_path / "a", plain, bundle=True)
    weights = tmp_path / "a" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtefactError, match=r"model/model.safetensors was changed or damaged"):
        load_artefact(tmp_path / "a")


def test_the_version_in_an_artefact_is_the_packages(saved):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert load_artefact(saved).metadata["versions"]["bert-spark"] == project["version"]


def test_only_our_few_types_are_trusted():
    assert set(TRUSTED_TYPES) == {
        "bert_spark.estimators.bert_transformer.BertTransformer",
        "bert_spark.estimators.linear_svc.FastLinearSVC",
        "bert_spark.estimators.text_cleaner.TextCleaner",
        # the names of before 0.2
        "bert_spark.transformer.BertTransformer",
        "bert_spark.transformer.TextCleaner",
        "bert_spark.linear.FastLinearSVC",
    }
    assert EncoderConfig().settings()["device"] == "auto"
