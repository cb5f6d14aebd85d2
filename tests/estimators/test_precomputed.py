"""An encoder object or precomputed vectors take the place of BERT."""

import numpy as np
import pytest

from bert_spark.encoding import encoder_cache
from bert_spark.errors import TextError
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.precomputed import PrecomputedVectors


class LengthEncoder:
    """An encoder whose vector of a text is the text's length. Records its calls."""

    def __init__(self):
        self.calls = []

    def encode(self, texts, config):
        self.calls.append((list(texts), config.max_length))
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    def width(self, config):
        return 1


def test_an_encoder_object_is_called_once_per_transform_and_not_at_fit(tiny_bert):
    encoder, before = LengthEncoder(), encoder_cache.model_loads()
    bert = BertTransformer(max_length=9, encoder=encoder).fit(["a", "bb"])
    assert (bert.n_features_out_, encoder.calls) == (1, [])
    assert bert.transform(["ccc", "a"]).tolist() == [[3], [1]]
    assert encoder.calls == [(["ccc", "a"], 9)]
    assert encoder_cache.model_loads() == before


def test_missing_texts_are_refused_before_an_encoder_object_is_called():
    encoder = LengthEncoder()
    with pytest.raises(TextError, match="row 0 has no text"):
        BertTransformer(encoder=encoder).transform([None])
    assert encoder.calls == []


def test_precomputed_vectors_are_used():
    vectors = np.array([[1, 2], [3, 4]], dtype=np.float32)
    bert = BertTransformer(encoder=PrecomputedVectors(vectors)).fit(["a", "b"])
    assert bert.n_features_out_ == 2
    assert bert.transform(["a", "b"]) is vectors


def test_vectors_of_another_number_of_texts_are_refused():
    encoder = PrecomputedVectors(np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(TextError, match="got 2 vectors for 3 texts; expected one vector per text"):
        BertTransformer(encoder=encoder).transform(["a", "b", "c"])
