"""An artefact with a bundled model predicts on machines that do not have the model."""

import shutil

import fsspec
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import save_artefact
from bert_spark.errors import ArtefactError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.pipeline_introspection import decision_values
from tests.support.artefacts import LABELS, TEXTS
from tests.support.model_recipes import NORMALIZE, PROMPTS, dense, write_recipe


def test_bundle_predicts_after_the_model_folder_is_removed(tmp_path, tiny_bert):
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


def test_bundle_in_remote_storage_is_copied_once(tmp_path, fitted):
    save_artefact("memory://store/a", fitted, bundle=True)
    loaded = load_artefact("memory://store/a")
    assert loaded.config.model.startswith("/")
    assert load_artefact("memory://store/a").config.model == loaded.config.model
    np.testing.assert_allclose(loaded.decision(TEXTS), decision_values(fitted, TEXTS), atol=1e-5)
    fsspec.filesystem("memory").rm("/store", recursive=True)


@pytest.mark.parametrize("place", ["local", "memory://store"])
def test_a_bundle_holds_the_models_own_recipe(tmp_path, place):
    folder = write_recipe(tmp_path / "bert", after=[dense(32, 8), NORMALIZE], settings=PROMPTS)
    (folder / "2_Dense" / "other.json").write_text("{}")
    pipeline = make_pipeline(BertTransformer(model=str(folder), pooling="model"), FastLinearSVC()).fit(TEXTS, LABELS)
    expected = pipeline.decision_function(TEXTS)
    target = str(tmp_path / "a") if place == "local" else f"{place}/recipe"
    save_artefact(target, pipeline, bundle=True)
    shutil.rmtree(folder)
    loaded = load_artefact(target)
    np.testing.assert_allclose(loaded.pipeline.decision_function(TEXTS), expected, atol=1e-5)
    assert loaded.vector_width == 8
    inner = {name for name in loaded.metadata["sha256"] if name.count("/") == 2}
    assert inner == {
        f"model/{name}" for name in ("1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors")
    }
    if place != "local":
        fsspec.filesystem("memory").rm("/store", recursive=True)


def test_damaged_weights_in_a_bundle_are_refused(tmp_path, fitted):
    save_artefact(tmp_path / "a", fitted, bundle=True)
    weights = tmp_path / "a" / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtefactError, match=r"model/model.safetensors was changed or damaged"):
        load_artefact(tmp_path / "a")
