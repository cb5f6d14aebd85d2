"""Vectors made elsewhere: an encoder that is handed over, or vectors that are there already."""

import numpy as np
import pytest

from bert_spark.encoding import encoder_cache
from bert_spark.errors import TextError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.precomputed import PrecomputedVectors


class CountingEncoder:
    """An encoder elsewhere: a text's vector is its length; counts what it was asked."""

    def __init__(self):
        self.asked = []

    def encode(self, texts, config):
        self.asked.append((list(texts), config.max_length))
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    def width(self, config):
        return 1


def test_an_encoder_elsewhere_is_asked_once_a_transform_and_not_at_fit(tiny_bert):
    elsewhere, before = CountingEncoder(), encoder_cache.model_loads()
    bert = BertTransformer(max_length=9, encoder=elsewhere).fit(["a", "bb"])
    assert (bert.n_features_out_, elsewhere.asked) == (1, [])
    assert bert.transform(["ccc", "a"]).tolist() == [[3], [1]]
    assert elsewhere.asked == [(["ccc", "a"], 9)]
    assert encoder_cache.model_loads() == before


def test_missing_texts_are_refused_before_an_encoder_elsewhere_is_asked():
    elsewhere = CountingEncoder()
    with pytest.raises(TextError, match="row 0 has no text"):
        BertTransformer(encoder=elsewhere).transform([None])
    assert elsewhere.asked == []


def test_vectors_that_are_there_are_used():
    given = np.array([[1, 2], [3, 4]], dtype=np.float32)
    bert = BertTransformer(encoder=PrecomputedVectors(given)).fit(["a", "b"])
    assert bert.n_features_out_ == 2
    assert bert.transform(["a", "b"]) is given


def test_vectors_of_another_number_of_texts_are_refused():
    given = PrecomputedVectors(np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(TextError, match="2 vectors were given for 3 texts; expected one a text"):
        BertTransformer(encoder=given).transform(["a", "b", "c"])
