"""What fastembed's own tests expect of all-MiniLM-L6-v2.

Values and cases: fastembed, tests/test_text_onnx_embeddings.py, Apache-2.0.
"""

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.estimators.bert_transformer import BertTransformer

pytestmark = pytest.mark.packaged
DOCUMENTS = ["hello world", "flag embedding"]
CANONICAL = [-0.034478, 0.03102, 0.00673, 0.02611, -0.039362]  # the first numbers of the vector of "hello world"


@pytest.fixture(scope="module")
def encoder():
    return BertEncoder.from_config(EncoderConfig(pooling="model", device="cpu"))


def test_the_canonical_vector(encoder):
    vectors = encoder.encode(DOCUMENTS)
    assert vectors.shape == (2, 384)
    # fastembed allows 1e-3; the values have five digits
    np.testing.assert_allclose(vectors[0, :5], CANONICAL, rtol=0, atol=1e-5)


@pytest.mark.parametrize("token_budget", [0, 1, 40])
def test_many_documents_get_the_same_vectors_in_any_batches(encoder, token_budget):
    vectors = BertTransformer(pooling="model", token_budget=token_budget).fit_transform(DOCUMENTS * 100)
    assert vectors.shape == (200, 384)
    np.testing.assert_allclose(vectors, np.tile(encoder.encode(DOCUMENTS), (100, 1)), atol=1e-5)


def test_tokens_are_counted_for_each_document(encoder):
    documents = [
        "Name me a couple of cities were the capitals of Germany?",
        "Berlin is the current capital of Germany, Bonn is a former capital of Germany.",
    ]
    together = encoder.encode_rows(documents).token_count
    assert together.tolist() == [encoder.encode_rows([text]).token_count.item() for text in documents]


def test_a_transformer_loads_no_model_before_it_is_fitted(run_forked):
    code = (
        "from bert_spark import BertTransformer; from bert_spark.encoding import encoder_cache, model_loader;"
        "model_loader.load_model = encoder_cache.get_encoder = None; BertTransformer(pooling='model'); print('lazy')"
    )
    assert run_forked(code) == "lazy"
