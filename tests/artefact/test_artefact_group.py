"""Artefacts that are scored together: their names, their digest, and the one encoder that they must have."""

import shutil

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from bert_spark.artefact.artefact_group import ArtefactGroup, load_group
from bert_spark.artefact.artefact_names import names_of_folders
from bert_spark.artefact.saving import save_artefact
from bert_spark.errors import ConfigError, FingerprintError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["artefact"], [""]),
        (["models/emotion", "models/topic/"], ["emotion", "topic"]),
        (["models/emotion/artefact", "models/topic/artefact"], ["emotion", "topic"]),
        (["s3://b/2026-11-23/emotion/v2", "s3://b/2026-11-24/topic/v2"], ["emotion", "topic"]),
        (["artefact", "models/topic/artefact"], ["artefact", "models_topic"]),
        (["a/1", "a/2", "b/1"], ["a_1", "a_2", "b_1"]),
        ([r"C:\models\one-vs-all", r"C:\models\other"], ["one_vs_all", "other"]),
    ],
)
def test_artefacts_are_named_by_the_part_of_their_paths_that_differs(folders, names):
    assert names_of_folders(folders) == dict(zip(names, folders, strict=True))


@pytest.mark.parametrize("folders", [["a", "a"], ["a", "a/"], ["models/A", "models/a"], ["x-y", "x_y"]])
def test_artefacts_that_would_get_one_name_are_refused(folders):
    with pytest.raises(ConfigError, match="in folders whose names differ"):
        names_of_folders(folders)


def test_artefacts_of_one_encoder_have_a_digest_together(saved):
    other = shutil.copytree(saved, saved.parent / "b")
    alone, both = load_group(str(saved)), load_group([str(saved), str(other)])
    assert (alone.path, alone.digest) == (str(saved), alone.artefacts[0].digest)
    assert both.path == {"a": str(saved), "b": str(other)}
    turned = load_group({"b": str(other), "a": saved})
    assert both.digest == turned.digest != alone.digest
    assert load_group({"a": saved, "c": other}).digest != both.digest


def test_artefacts_of_different_encoders_are_refused_by_their_names(saved, fitted, tiny_bert, tmp_path):
    mean = Pipeline([("bert", BertTransformer(model=str(tiny_bert), pooling="mean")), ("svc", FastLinearSVC())])
    save_artefact(tmp_path / "mean", mean.fit(TEXTS, LABELS))
    with pytest.raises(FingerprintError, match=rf"different encoders: \['{saved}'\] on encoder .*; \['.*mean'\]"):
        load_group([str(saved), str(tmp_path / "mean")])


def test_an_artefact_without_bert_fits_beside_any(saved, tmp_path):
    tfidf = Pipeline([("tfidf", TfidfVectorizer()), ("svc", FastLinearSVC())])
    save_artefact(tmp_path / "tfidf", tfidf.fit(TEXTS, LABELS))
    group = load_group([str(tmp_path / "tfidf"), str(saved)])
    assert group.uses_bert
    assert group.needs_text
    assert (group.fingerprint, group.vector_width) == (load_group(saved).fingerprint, 32)
    assert not ArtefactGroup({"": group.by_name["tfidf"]}).uses_bert
