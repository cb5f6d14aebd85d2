"""Fixtures of the estimator tests: a transformer by the model's name, and live objects of the same model."""

import pytest
from transformers import AutoModel, AutoTokenizer

from bert_spark.estimators.bert_transformer import BertTransformer


@pytest.fixture
def bert(tiny_bert):
    """Return an unfitted BertTransformer of the tiny model by its name."""
    return BertTransformer(model=str(tiny_bert), device="cpu")


@pytest.fixture
def live(tiny_bert):
    """Return the tokenizer and the model of the tiny model as live objects."""
    return AutoTokenizer.from_pretrained(str(tiny_bert)), AutoModel.from_pretrained(str(tiny_bert))
