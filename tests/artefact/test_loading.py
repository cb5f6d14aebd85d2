"""Loading refuses an artefact that is damaged, replaced, or made with another encoder."""

import hashlib
import json
import shutil

import pytest
from sklearn.pipeline import make_pipeline

from bert_spark.artefact.loading import load_artefact
from bert_spark.artefact.saving import save_artefact
from bert_spark.errors import ArtefactError, FingerprintError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS, forge


@pytest.mark.parametrize("name", ["pipeline.skops", "metadata.json"])
def test_changed_byte_is_refused(saved, name):
    data = bytearray((saved / name).read_bytes())
    data[len(data) // 2] ^= 1
    digest = hashlib.sha256((saved / "metadata.json").read_bytes()).hexdigest()
    (saved / name).write_bytes(bytes(data))
    with pytest.raises(ArtefactError, match=r"was changed or damaged|was replaced"):
        load_artefact(saved, digest)


@pytest.mark.parametrize("name", ["pipeline.skops", "metadata.json"])
def test_absent_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_artefact(saved)


def test_file_name_outside_the_folder_is_refused(saved):
    digests = json.loads((saved / "metadata.json").read_text())["sha256"]
    forge(saved, sha256=digests | {"model/../../x": "0" * 64})
    with pytest.raises(ArtefactError, match=r"unexpected file names \['model/../../x'\]"):
        load_artefact(saved)


def test_pipeline_with_another_encoder_than_the_metadata_is_refused(saved, tmp_path, bert):
    other = make_pipeline(BertTransformer(model=bert.model, pooling="mean"), FastLinearSVC()).fit(TEXTS, LABELS)
    save_artefact(tmp_path / "b", other)
    forge(saved, (tmp_path / "b" / "pipeline.skops").read_bytes())
    with pytest.raises(ArtefactError, match=r"pipeline and metadata.json name different encoders"):
        load_artefact(saved)


def test_model_that_changed_since_training_is_refused(fitted, tmp_path, tiny_bert):
    folder = shutil.copytree(tiny_bert, tmp_path / "bert")
    pipeline = make_pipeline(BertTransformer(model=str(folder)), FastLinearSVC()).fit(TEXTS, LABELS)
    save_artefact(tmp_path / "a", pipeline)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.5}))
    with pytest.raises(
        FingerprintError, match=r"was trained on encoder [0-9a-f]{12}, but model '.*bert' is [0-9a-f]{12}"
    ):
        load_artefact(tmp_path / "a")
