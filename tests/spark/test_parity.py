"""BertTransformer, with_embedding and transformers' own forward pass give a text the same vector, within 1e-5."""

import csv

import numpy as np
import pytest

from bert_spark import BertTransformer, EncoderConfig, SparkEncoder, with_embedding
from bert_spark.encoding.model_resolver import resolve_model
from tests.support.paths import ROOT

SAMPLE = ROOT / "conf" / "sample_tweets.csv"


@pytest.fixture(scope="module")
def texts():
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return [row["content"] for row in csv.DictReader(file) if row["content"] is not None]


def through_spark(spark, texts, config, partitions):
    df = spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(partitions)
    rows = df.transform(with_embedding(config)).orderBy("id").collect()
    return np.array([row.embedding for row in rows], dtype=np.float32)


@pytest.mark.parametrize(("partitions", "budget", "window"), [(1, 4096, 8192), (7, 64, 8192), (3, 1, 10)])
def test_scikit_learn_and_spark_equal_transformers_at_any_layout(
    spark, texts, tiny_bert, transformers_cls, partitions, budget, window
):
    expected = transformers_cls(tiny_bert, texts)
    config = EncoderConfig(model=str(tiny_bert), token_budget=budget, window_rows=window)
    np.testing.assert_allclose(through_spark(spark, texts, config, partitions), expected, atol=1e-5)
    transformer = BertTransformer(model=str(tiny_bert), token_budget=budget)
    np.testing.assert_allclose(transformer.fit_transform(texts), expected, atol=1e-5)


@pytest.mark.packaged
def test_scikit_learn_and_spark_equal_transformers_with_a_trained_model(spark, texts, transformers_cls):
    some = texts[:60] + [text for text in texts if len(text) > 200 or not text]
    expected = transformers_cls(resolve_model("packaged:minilm-l6"), some)
    np.testing.assert_allclose(through_spark(spark, some, EncoderConfig(), 2), expected, atol=1e-5)
    np.testing.assert_allclose(BertTransformer().fit_transform(some), expected, atol=1e-5)


def test_spark_encoder_returns_the_same_matrix_as_the_local_encoder(spark, texts, tiny_bert):
    local = BertTransformer(model=str(tiny_bert)).fit_transform(texts)
    on_spark = BertTransformer(model=str(tiny_bert), encoder=SparkEncoder(partitions=5)).fit_transform(texts)
    np.testing.assert_allclose(on_spark, local, atol=1e-5)


def test_embedding_func_gives_the_same_in_scikit_learn_and_on_spark(spark, texts, tiny_bert):
    def second_token(output):
        return output[0][:, 1, :]

    local = BertTransformer(model=str(tiny_bert), embedding_func=second_token).fit_transform(texts[:50])
    config = EncoderConfig(model=str(tiny_bert), embedding_func=second_token)
    np.testing.assert_allclose(through_spark(spark, texts[:50], config, 3), local, atol=1e-5)
    assert np.abs(local - BertTransformer(model=str(tiny_bert)).fit_transform(texts[:50])).max() > 0.1
