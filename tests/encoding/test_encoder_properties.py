"""Any list of strings, in any order and batching, gets the vectors that transformers gives each text alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from bert_spark.encoding import tokenization
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model
from bert_spark.encoding.tokenization import TextTokenizer
from tests.support import tiny_models
from tests.support.any_text import TEXTS, without_lone_surrogates

# Few texts, so that there are duplicates
LISTS = st.lists(TEXTS, max_size=6).flatmap(
    lambda few: st.lists(st.sampled_from(few), max_size=12) if few else st.just([])
)


@pytest.fixture(scope="module")
def loaded(tiny_bert):
    return load_model(EncoderConfig(model=str(tiny_bert)), "cpu")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    texts=LISTS,
    token_budget=st.sampled_from([1, 7, 64, 300, 2048]),
    window_rows=st.integers(1, 8),
    max_length=st.sampled_from([3, 5, 60]),
)
def test_each_vector_equals_transformers_for_that_text_alone(
    tiny_bert, loaded, transformers_cls, texts, token_budget, window_rows, max_length
):
    config = EncoderConfig(
        model=str(tiny_bert), token_budget=token_budget, window_rows=window_rows, max_length=max_length
    )
    encoded = BertEncoder(loaded, config).encode_rows(texts)
    assert encoded.errors == {}
    assert encoded.vectors.shape == (len(texts), 32)
    if texts:
        expected = transformers_cls(tiny_bert, [without_lone_surrogates(text) for text in texts], max_length)
        np.testing.assert_allclose(encoded.vectors, expected, rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=LISTS, data=st.data())
def test_the_order_of_texts_only_permutes_the_rows(tiny_bert, loaded, texts, data):
    order = data.draw(st.permutations(range(len(texts))))
    encoder = BertEncoder(loaded, EncoderConfig(model=str(tiny_bert), token_budget=100))
    encoded, permuted = encoder.encode_rows(texts), encoder.encode_rows([texts[i] for i in order])
    np.testing.assert_allclose(permuted.vectors, encoded.vectors[order], rtol=0, atol=1e-5)
    for name in ("token_count", "truncated", "unknown_share"):
        assert np.array_equal(getattr(permuted, name), getattr(encoded, name)[order])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=LISTS)
def test_each_text_is_encoded_once_and_its_repeats_are_reused(tiny_bert, loaded, texts):
    encoder = BertEncoder(loaded, EncoderConfig(model=str(tiny_bert)))
    encoded = encoder.encode_rows(texts)
    distinct = {without_lone_surrogates(text) for text in texts}
    assert encoder.texts_encoded == len(distinct)
    assert encoded.reused.sum() == len(texts) - len(distinct)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=LISTS, max_length=st.sampled_from([3, 5, 60]))
def test_token_counts_and_truncation_equal_transformers(tiny_bert, loaded, texts, max_length):
    encoder = BertEncoder(loaded, EncoderConfig(model=str(tiny_bert), max_length=max_length))
    encoded = encoder.encode_rows(texts)
    counts = [len(loaded.tokenizer(without_lone_surrogates(text))["input_ids"]) for text in texts]
    assert encoded.token_count.tolist() == counts
    assert encoded.truncated.tolist() == [count > max_length for count in counts]


@pytest.fixture(scope="module", params=["wordpiece", "byte pairs"])
def tokenizer(request, loaded, tmp_path_factory):
    if request.param == "wordpiece":
        return loaded.tokenizer
    folder = tmp_path_factory.mktemp("byte_pairs")
    tiny_models.byte_pairs(folder)
    return AutoTokenizer.from_pretrained(str(folder))


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=TEXTS, piece=st.integers(1, 20))
def test_pieces_of_any_size_have_the_tokens_of_the_whole_text(tokenizer, monkeypatch, text, piece):
    monkeypatch.setattr(tokenization, "_PIECE_CHARS", piece)
    text = without_lone_surrogates(text)
    tokens = TextTokenizer(tokenizer, 1000, whole_text=True).tokenize([text])
    assert tokens.windows == [tokenizer(text)["input_ids"]]
