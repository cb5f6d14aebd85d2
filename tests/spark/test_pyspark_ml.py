"""BertEmbedder: a Transformer of pyspark.ml with Params, read and write, whose vectors are with_embedding's."""

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
def table(spark):
    return spark.createDataFrame(TEXTS, "id int, text string, label double")


@pytest.fixture
def embedder(tiny_bert):
    return BertEmbedder(inputCol="text", outputCol="vector", errorCol="reason", model=str(tiny_bert), maxLength=12)


def test_it_adds_what_with_embedding_adds(table, embedder, tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), max_length=12)
    expected = table.transform(with_embedding(config, embedding_column="vector", error_column="reason"))
    found = embedder.transform(table)
    assert found.schema == expected.schema
    assert sorted(found.collect()) == sorted(expected.collect())


def test_missing_text_keeps_its_row(spark, embedder):
    df = spark.createDataFrame([(1, None)], "id int, text string")
    assert embedder.transform(df).select("vector", "reason").collect() == [(None, "missing text")]


def test_params_are_seen_set_and_copied(embedder):
    assert embedder.getOrDefault("maxLength") == 12
    assert embedder.copy({embedder.maxLength: 7}).config.max_length == 7
    assert embedder.config.max_length == 12
    assert embedder.explainParam("pooling") == "pooling: cls, mean, max, pooler or flatten (undefined)"


def test_every_setting_of_the_encoder_is_a_param():
    assert sorted(_FIELD_OF_PARAM.values()) == sorted(EncoderConfig().settings())
    assert all(BertEmbedder().hasParam(name) for name in _FIELD_OF_PARAM)


def test_a_setting_out_of_range_is_refused_before_anything_runs(table):
    with pytest.raises(ConfigError, match="max_length=0 is too small; expected 1 or more"):
        BertEmbedder(maxLength=0).transform(table)


def test_an_unknown_param_is_refused():
    with pytest.raises(AttributeError, match="max_length"):
        BertEmbedder(max_length=3)


def test_written_and_read_back_it_is_the_same(table, embedder, tmp_path):
    embedder.write().overwrite().save(str(tmp_path / "embedder"))
    again = BertEmbedder.load(str(tmp_path / "embedder"))
    assert (again.config, again.getOutputCol(), again.uid) == (embedder.config, "vector", embedder.uid)
    assert sorted(again.transform(table).collect()) == sorted(embedder.transform(table).collect())


def test_in_a_pipeline_it_feeds_an_estimator_of_spark_and_is_read_back_with_it(spark, table, embedder, tmp_path):
    spark.udf.register("to_vector", array_to_vector_udf())
    keep = SQLTransformer(statement="SELECT *, to_vector(vector) AS features FROM __THIS__ WHERE reason IS NULL")
    pipeline = Pipeline(stages=[embedder, keep, LogisticRegression(maxIter=5)])
    fitted = pipeline.fit(table)
    fitted.write().overwrite().save(str(tmp_path / "model"))
    again = PipelineModel.load(str(tmp_path / "model"))
    rows = again.transform(table).orderBy("id").collect()
    assert [row.prediction for row in rows] == [1.0, 0.0, 1.0, 0.0]


def array_to_vector_udf():
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql import functions as F

    return F.udf(Vectors.dense, VectorUDT())


def test_array_to_vector_keeps_the_numbers(table, embedder):
    embedded = embedder.transform(table)
    rows = embedded.select("vector", array_to_vector("vector").alias("features")).collect()
    np.testing.assert_array_equal([row.vector for row in rows], [row.features.toArray() for row in rows])
