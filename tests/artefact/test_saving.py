"""What saving writes, and which pipelines it refuses."""

import json
import tomllib

import pytest
from fsspec.implementations.local import LocalFileSystem
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from transformers import AutoModel, AutoTokenizer

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import check_folder_free, save_artefact
from bert_spark.errors import ArtefactError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS, tfidf_and_bert
from tests.support.paths import ROOT


def test_metadata_describes_features_labels_encoder_and_versions(bert, tmp_path):
    pipeline = tfidf_and_bert(bert).fit(TEXTS, LABELS)
    save_artefact(tmp_path / "a", pipeline, {"split": {"seed": 7}, "fingerprint": "forged"})
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


def test_metadata_holds_the_version_of_the_package(saved):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert load_artefact(saved).metadata["versions"]["bert-spark"] == project["version"]


def test_artefact_holds_neither_weights_nor_training_texts(saved):
    assert sum(path.stat().st_size for path in saved.rglob("*") if path.is_file()) < 30_000
    assert not any(b"hate this" in path.read_bytes() for path in saved.rglob("*"))


def test_saved_copy_has_no_gpu_remote_encoder_or_cache(bert, tmp_path):
    pipeline = make_pipeline(BertTransformer(model=bert.model), FastLinearSVC()).fit(TEXTS, LABELS)
    step = pipeline[0].set_params(device="cuda", encoder="elsewhere", memory="/somewhere")
    save_artefact(tmp_path / "a", pipeline)
    assert (step.device, step.encoder, step.memory) == ("cuda", "elsewhere", "/somewhere")
    loaded = load_artefact(tmp_path / "a")
    assert (loaded.config.device, loaded.pipeline[0].device, loaded.pipeline[0].encoder) == ("auto", "auto", None)
    assert set(loaded.pipeline.predict(TEXTS)) == {"+", "-", "o"}


def test_live_model_is_refused(tiny_bert, tmp_path):
    live = BertTransformer(AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert))
    pipeline = make_pipeline(live, FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match=r"write BertTransformer\(model='name or folder'\)"):
        save_artefact(tmp_path / "a", pipeline)


def test_embedding_func_is_refused(tiny_bert, tmp_path):
    step = BertTransformer(model=str(tiny_bert), embedding_func=lambda x: x[0][:, 0])
    with pytest.raises(ArtefactError, match="use pooling='cls'"):
        save_artefact(tmp_path / "a", make_pipeline(step, FastLinearSVC()).fit(TEXTS, LABELS))


def test_lambda_in_another_step_is_refused(bert, tmp_path):
    pipeline = make_pipeline(bert, FunctionTransformer(lambda x: x * 2), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="scikit-learn's own classes"):
        save_artefact(tmp_path / "a", pipeline)
    assert not (tmp_path / "a").exists()


def test_two_different_encoders_are_refused(bert, tmp_path):
    other = BertTransformer(model=bert.model, pooling="mean")
    pipeline = make_pipeline(FeatureUnion([("a", bert), ("b", other)]), FastLinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(ArtefactError, match="2 different encoders; an artefact holds one"):
        save_artefact(tmp_path / "a", pipeline)


def test_an_artefact_is_replaced_once_the_new_one_is_complete(fitted, saved, monkeypatch):
    (saved / "model").mkdir()  # of an older artefact with bundled weights
    old = {path.name: path.read_bytes() for path in saved.iterdir() if path.is_file()}

    def no_space(*_, **__):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "pipe_file", no_space)
        with pytest.raises(OSError, match="no space left"):
            save_artefact(saved, fitted)
    assert {path.name: path.read_bytes() for path in saved.iterdir() if path.is_file()} == old
    digest = save_artefact(saved, fitted, {"note": "new"})
    assert load_artefact(saved, digest=digest).metadata["note"] == "new"
    assert not (saved / "model").exists()
    assert list(saved.parent.iterdir()) == [saved]


def test_overwrite_refuses_a_folder_with_files_of_others(saved):
    check_folder_free(saved, overwrite=True)
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(ArtefactError, match=r"holds 'notes\.txt', which is not of an artefact"):
        check_folder_free(saved, overwrite=True)


def test_an_artefact_in_a_store_is_replaced(fitted):
    save_artefact("memory://replaced/a", fitted)
    digest = save_artefact("memory://replaced/a", fitted, {"note": "new"})
    assert load_artefact("memory://replaced/a", digest=digest).metadata["note"] == "new"
