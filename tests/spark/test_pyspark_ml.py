"""BertEmbedder is a Transformer of pyspark.ml: it has Params, can be saved, and adds the vectors of with_embedding."""

import dataclasses

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import SQLTransformer
from pyspark.ml.functions import array_to_vector

from bert_spark import BertEmbedder, EncoderConfig, with_embedding
from bert_spark.errors import ConfigError
from bert_spark.spark.pyspark_ml import _FIELD_OF_PARAM

TEXTS = [(1, "so happy", 1.0), (2, "so sad", 0.0), (3, "good day", 1.0), (4, "hate it", 0.0)]


@pytest.fixture(scope="module")
def tweets(spark):
    return spark.createDataFrame(TEXTS, "id int, text string, label double")


@pytest.fixture
def embedder(tiny_bert):
    return BertEmbedder(inputCol="text", outputCol="vector", errorCol="reason", model=str(tiny_bert), maxLength=12)


def test_it_adds_the_columns_of_with_embedding(tweets, embedder, tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), max_length=12)
    expected = tweets.transform(with_embedding(config, embedding_column="vector", error_column="reason"))
    found = embedder.transform(tweets)
    assert found.schema == expected.schema
    assert sorted(found.collect()) == sorted(expected.collect())


def test_a_missing_text_keeps_its_row(spark, embedder):
    df = spark.createDataFrame([(1, None)], "id int, text string")
    assert embedder.transform(df).select("vector", "reason").collect() == [(None, "missing text")]


def test_params_can_be_read_copied_and_explained(embedder):
    assert embedder.getOrDefault("maxLength") == 12
    assert embedder.copy({embedder.maxLength: 7}).config.max_length == 7
    assert embedder.config.max_length == 12
    assert embedder.explainParam("clean").endswith("before the tokenizer (default: off)")


def test_every_setting_of_the_encoder_is_a_param_with_its_default():
    settings = {spec.name: spec.default for spec in dataclasses.fields(EncoderConfig) if spec.metadata}
    assert {field: BertEmbedder().getOrDefault(name) for name, field in _FIELD_OF_PARAM.items()} == settings
    assert BertEmbedder().config == EncoderConfig()


@pytest.mark.parametrize("name", [param.name for param in BertEmbedder().params])
def test_every_param_has_a_getter_and_a_setter(name):
    value = {"maxLength": 9, "dimensions": 4, "tokenBudget": 7, "windowRows": 5, "normalize": True}.get(name, "mean")
    embedder, accessor = BertEmbedder(), f"{name[0].upper()}{name[1:]}"
    assert getattr(embedder, f"set{accessor}")(value) is embedder
    assert getattr(embedder, f"get{accessor}")() == embedder.getOrDefault(name) == value


def test_a_setting_out_of_range_is_refused_before_anything_runs(tweets):
    with pytest.raises(ConfigError, match="max_length=0 is too small; expected 1 or more"):
        BertEmbedder(maxLength=0).transform(tweets)


def test_an_unknown_param_is_refused():
    with pytest.raises(AttributeError, match="max_length"):
        BertEmbedder(max_length=3)


def test_it_is_the_same_after_saving_and_loading(tweets, embedder, tmp_path):
    embedder.write().overwrite().save(str(tmp_path / "embedder"))
    loaded = BertEmbedder.load(str(tmp_path / "embedder"))
    assert (loaded.config, loaded.getOutputCol(), loaded.uid) == (embedder.config, "vector", embedder.uid)
    assert sorted(loaded.transform(tweets).collect()) == sorted(embedder.transform(tweets).collect())


def test_a_pipeline_with_a_spark_estimator_predicts_after_saving_and_loading(spark, tweets, embedder, tmp_path):
    spark.udf.register("to_vector", array_to_vector_udf())
    keep = SQLTransformer(statement="SELECT *, to_vector(vector) AS features FROM __THIS__ WHERE reason IS NULL")
    pipeline = Pipeline(stages=[embedder, keep, LogisticRegression(maxIter=5)])
    fitted = pipeline.fit(tweets)
    fitted.write().overwrite().save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    rows = loaded.transform(tweets).orderBy("id").collect()
    assert [row.prediction for row in rows] == [1.0, 0.0, 1.0, 0.0]


def array_to_vector_udf():
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql import functions as F

    return F.udf(Vectors.dense, VectorUDT())


def test_array_to_vector_keeps_the_numbers(tweets, embedder):
    embedded = embedder.transform(tweets)
    rows = embedded.select("vector", array_to_vector("vector").alias("features")).collect()
    np.testing.assert_array_equal([row.vector for row in rows], [row.features.toArray() for row in rows])
