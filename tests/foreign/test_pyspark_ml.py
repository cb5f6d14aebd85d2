"""What pyspark.ml's own tests expect of a Transformer, asked of BertEmbedder.

Cases: Apache Spark, python/pyspark/testing/mlutils.py (check_params, called as installed), and the tests test_param.py,
test_persistence.py and test_pipeline.py of python/pyspark/ml/tests, Apache-2.0.
"""

import inspect
import unittest

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import SQLTransformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.testing.mlutils import check_params

from bert_spark import BertEmbedder


@pytest.fixture
def embedder(tiny_bert):
    return BertEmbedder(inputCol="text", model=str(tiny_bert), maxLength=12)


@pytest.fixture(scope="module")
def tweets(spark):
    return spark.createDataFrame([("so happy",), ("so sad",)], "text string")


def assert_same_stage(first, second):
    """Assert what pyspark's tests assert of two pipelines: type, uid, and each param with its parent and value."""
    assert (first.uid, type(first), type(first.uid)) == (second.uid, type(second), type(second.uid))
    stages = [one.stages if isinstance(one, PipelineModel) else one.getStages() for one in (first, second)]
    assert len(stages[0]) == len(stages[1])
    for one, other in zip(*stages, strict=True):
        if isinstance(one, Pipeline | PipelineModel):
            assert_same_stage(one, other)
        else:
            assert_same_params(one, other)


def assert_same_params(one, other):
    assert (one.uid, type(one), len(one.params)) == (other.uid, type(other), len(other.params))
    for param in one.params:
        counterpart = other.getParam(param.name)
        assert param.parent == counterpart.parent == one.uid
        assert one.isDefined(param) == other.isDefined(counterpart)
        assert one.isSet(param) == other.isSet(counterpart)
        assert one.hasDefault(param) == other.hasDefault(counterpart)
        if one.isDefined(param):
            assert one.getOrDefault(param) == other.getOrDefault(counterpart)


def test_check_params(spark, embedder):
    # of a stage without a Java part it asks nothing: its own questions are asked below
    check_params(unittest.TestCase(), embedder)
    assert [param.name for param in embedder.params] == sorted(param.name for param in embedder.params)
    for param in embedder.params:
        assert param.parent == embedder.uid
        assert embedder.hasDefault(param)
        assert embedder.explainParam(param).startswith(f"{param.name}: ")


def test_every_param_is_an_argument_and_the_other_way_round():
    named = {param.name for param in BertEmbedder().params}
    documented = inspect.getdoc(BertEmbedder)
    assert all(name in documented for name in named)
    for name in named:
        BertEmbedder(**{name: BertEmbedder().getOrDefault(name)})


@pytest.mark.parametrize(
    ("params", "name", "expected"),
    [
        ({"maxLength": 5.0}, "maxLength", 5),
        ({"maxLength": np.int64(5)}, "maxLength", 5),
        ({"inputCol": np.str_("text")}, "inputCol", "text"),
        ({"normalize": True}, "normalize", True),
    ],
)
def test_values_are_converted(params, name, expected):
    value = BertEmbedder(**params).getOrDefault(name)
    assert value == expected
    assert isinstance(value, type(expected))


@pytest.mark.parametrize(
    "params",
    [{"maxLength": "notAnInt"}, {"maxLength": 5.1}, {"inputCol": 2.3}, {"normalize": 1}, {"normalize": "false"}],
    ids=str,
)
def test_values_of_another_type_are_refused(params):
    with pytest.raises(TypeError, match="Invalid param value given for param"):
        BertEmbedder(**params)


def test_params_are_found_by_name(embedder):
    assert all(embedder.hasParam(param.name) for param in embedder.params)
    assert not embedder.hasParam("notAParameter")
    assert embedder._resolveParam("maxLength") == embedder._resolveParam(embedder.maxLength) == embedder.maxLength
    with pytest.raises(AttributeError):
        embedder._resolveParam("아")


def test_a_param_of_another_stage_is_refused(embedder):
    other = Param(Params._dummy(), "otherParam", "of another stage", typeConverter=TypeConverters.toString)
    with pytest.raises(ValueError, match="does not belong to"):
        embedder.set(other, "value")


def test_a_cleared_param_has_its_default_again(tweets, embedder):
    embedder.setOutputCol("vector")
    assert embedder.isSet("outputCol")
    embedder.clear(embedder.outputCol)
    assert not embedder.isSet("outputCol")
    assert embedder.transform(tweets).columns == ["text", embedder.getOutputCol(), "error"]
    assert not embedder.isSet("outputCol")


def test_a_changed_default_is_used(tweets, embedder):
    embedder._defaultParamMap[embedder.outputCol] = "my_default"
    assert embedder.transform(tweets).columns == ["text", "my_default", "error"]


def test_a_copy_has_extra_values_and_the_same_rest(embedder):
    extra = {embedder.inputCol: "copied"}
    copy = embedder.copy(extra)
    assert (copy.uid, copy.params) == (embedder.uid, embedder.params)
    assert (copy.getInputCol(), embedder.getInputCol()) == ("copied", "text")
    without = {param: value for param, value in copy._paramMap.items() if param not in extra}
    assert without == {param: value for param, value in embedder._paramMap.items() if param not in extra}
    assert embedder._defaultParamMap == copy._defaultParamMap
    with pytest.raises(TypeError):
        embedder.copy({"unknown_parameter": None})


@pytest.mark.parametrize("nested", [False, True])
def test_pipelines_are_the_same_after_saving_and_loading(tweets, embedder, tmp_path, nested):
    rename = SQLTransformer(statement="SELECT *, embedding AS features FROM __THIS__")
    pipeline = Pipeline(stages=[embedder, Pipeline(stages=[rename]) if nested else rename])
    model = pipeline.fit(tweets)
    pipeline.save(str(tmp_path / "pipeline"))
    model.save(str(tmp_path / "model"))
    assert_same_stage(pipeline, Pipeline.load(str(tmp_path / "pipeline")))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert_same_stage(model, loaded)
    assert loaded.transform(tweets).columns == ["text", "embedding", "error", "features"]
    assert str(model.stages) == str(loaded.stages)
