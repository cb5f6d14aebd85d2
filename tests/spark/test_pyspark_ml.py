"""BertEmbedder is a Transformer of pyspark.ml: it has Params, can be saved, and adds the vectors of with_embedding."""

import dataclasses
import json

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression

from bert_spark import BertEmbedder, EncoderConfig, with_embedding
from bert_spark.errors import ConfigError
from bert_spark.spark.pyspark_ml import _FIELD_OF_PARAM
from tests.support.row_counter import rows_through_python

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


@pytest.mark.parametrize("settings", [{"outputAs": "list"}, {"handleInvalid": "drop"}])
def test_an_unknown_choice_is_refused(tweets, settings):
    ((name, value),) = settings.items()
    with pytest.raises(ConfigError, match=f"{name}='{value}' is unknown; known are"):
        BertEmbedder(**settings).transform(tweets)


@pytest.mark.parametrize("kind", ["array", "vector"])
def test_a_row_without_a_vector_is_kept_skipped_or_an_error(spark, embedder, kind):
    df = spark.createDataFrame([(1, "hi"), (2, None)], "id int, text string").coalesce(1)
    embedder.setOutputAs(kind)
    found = {row.id: row for row in embedder.copy({embedder.handleInvalid: "keep"}).transform(df).collect()}
    assert (found[2].vector, found[2].reason, len(found[1].vector)) == (None, "missing text", 32)
    with rows_through_python(spark) as rows:
        assert [row.id for row in embedder.setHandleInvalid("skip").transform(df).collect()] == [1]
    assert rows == [2]
    with pytest.raises(Exception, match="a row has no vector: missing text; set handleInvalid to 'skip' or 'keep'"):
        embedder.setHandleInvalid("error").transform(df).collect()
    assert len(embedder.transform(df.where("id = 1")).first().vector) == 32


def test_vectors_name_their_encoder_and_their_length(tweets, embedder):
    array = embedder.transform(tweets)
    vector = embedder.setOutputAs("vector").transform(tweets)
    metadata = vector.schema["vector"].metadata
    assert metadata == array.schema["vector"].metadata | {"ml_attr": {"num_attrs": 32}}
    assert vector.columns == array.columns
    expected = {row.id: row.vector for row in array.collect()}
    assert {row.id: row.vector.toArray().tolist() for row in vector.collect()} == expected


def test_a_stage_that_was_saved_without_a_param_gets_its_default(embedder, tmp_path):
    embedder.setHandleInvalid("skip").write().overwrite().save(str(tmp_path / "embedder"))
    assert BertEmbedder.load(str(tmp_path / "embedder")).getHandleInvalid() == "skip"
    (file,) = (tmp_path / "embedder" / "metadata").glob("part-*")
    metadata = json.loads(file.read_text())
    for part in ("paramMap", "defaultParamMap"):
        metadata[part] = {k: v for k, v in metadata[part].items() if k not in ("outputAs", "handleInvalid")}
    file.write_text(json.dumps(metadata))
    (file.parent / f".{file.name}.crc").unlink()
    older = BertEmbedder.load(str(tmp_path / "embedder"))
    assert (older.getOutputAs(), older.getHandleInvalid()) == ("array", "keep")


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
    embedder.setOutputCol("features").setOutputAs("vector").setHandleInvalid("skip")
    with_gap = tweets.union(spark.createDataFrame([(5, None, 1.0)], tweets.schema))
    fitted = Pipeline(stages=[embedder, LogisticRegression(maxIter=5)]).fit(with_gap)
    fitted.write().overwrite().save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    rows = loaded.transform(with_gap).orderBy("id").collect()
    assert [row.prediction for row in rows] == [1.0, 0.0, 1.0, 0.0]
