"""What the tests of artefacts share: a trained pipeline, one that is saved, and a hand that tampers with it."""

import hashlib
import json

import pytest
from sklearn.pipeline import Pipeline

from bert_spark.artefact.saving import save_artefact
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC

TEXTS = ["happy today", "i hate this", "like it", "so sad", "love you", "no good"] * 3
LABELS = ["+", "-", "+", "-", "+", "o"] * 3


@pytest.fixture(scope="module")
def bert(tiny_bert):
    return BertTransformer(model=str(tiny_bert))


@pytest.fixture(scope="module")
def plain(bert):
    return Pipeline([("bert", bert), ("svc", FastLinearSVC())]).fit(TEXTS, LABELS)


@pytest.fixture
def saved(plain, tmp_path):
    save_artefact(tmp_path / "a", plain)
    return tmp_path / "a"


def forge(folder, payload=None, **changes):
    """Do what somebody can who may rewrite the folder: new content, and the digest that fits."""
    metadata = json.loads((folder / "metadata.json").read_text()) | changes
    if payload is not None:
        (folder / "pipeline.skops").write_bytes(payload)
        metadata["sha256"]["pipeline.skops"] = hashlib.sha256(payload).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(metadata))
