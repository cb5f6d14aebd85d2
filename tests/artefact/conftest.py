"""A fitted pipeline and its saved artefact."""

import pytest
from sklearn.pipeline import Pipeline

from bert_spark.artefact.saving import save_artefact
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.support.artefacts import LABELS, TEXTS


@pytest.fixture(scope="module")
def bert(tiny_bert):
    return BertTransformer(model=str(tiny_bert))


@pytest.fixture(scope="module")
def fitted(bert):
    """Return a pipeline of BERT and LinearSVC, fitted on TEXTS."""
    return Pipeline([("bert", bert), ("svc", FastLinearSVC())]).fit(TEXTS, LABELS)


@pytest.fixture
def saved(fitted, tmp_path):
    """Return the folder of an artefact of `fitted`."""
    save_artefact(tmp_path / "a", fitted)
    return tmp_path / "a"
