"""`BertEmbedder`: `with_embedding` as a Transformer for a pyspark.ml Pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import ConfigError
from bert_spark.spark.spark_encoder import SparkEncoder
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.schema import exact_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


_OUTPUTS = ("array", "vector")
_INVALID = ("keep", "skip", "error")
_FIELD_OF_PARAM = {
    "model": "model",
    "revision": "revision",
    "maxLength": "max_length",
    "pooling": "pooling",
    "normalize": "normalize",
    "dimensions": "dimensions",
    "prompt": "prompt",
    "precision": "precision",
    "engine": "engine",
    "tokenBudget": "token_budget",
    "windowRows": "window_rows",
    "clean": "clean",
    "longText": "long_text",
    "device": "device",
}
_FIELDS = {spec.name: spec for spec in dataclasses.fields(EncoderConfig)}


def _param(name: str, convert: Callable[[Any], Any]) -> Param[Any]:
    """Return the param of a setting of EncoderConfig, with the setting's own description."""
    return Param(Params._dummy(), name, _FIELDS[_FIELD_OF_PARAM[name]].metadata["help"], typeConverter=convert)


def _getter(name: str) -> Callable[[BertEmbedder], Any]:
    def get(self: BertEmbedder) -> Any:
        return self.getOrDefault(name)

    get.__doc__ = f"Return the value of `{name}`, or its default."
    return get


def _setter(name: str) -> Callable[[BertEmbedder, Any], BertEmbedder]:
    def set_value(self: BertEmbedder, value: Any) -> BertEmbedder:
        self._set(**{name: value})
        return self

    set_value.__doc__ = f"Set `{name}` and return this embedder."
    return set_value


class BertEmbedder(
    Transformer,
    HasInputCol,
    HasOutputCol,
    DefaultParamsReadable["BertEmbedder"],
    DefaultParamsWritable,
):
    """Add the embeddings of a text column, inside a pyspark.ml Pipeline.

    A row without a vector, such as one with a missing text, is handled as `handleInvalid` says. Spark's estimators
    refuse nulls, so set "skip" or "error" before one.

    Parameters
    ----------
    inputCol
        The text column.
    outputCol, errorCol
        The new columns: the vector, and the reason if a row has none.
    outputAs
        Type of the vector: "array" for array<float>, or "vector" for Spark's own vectors, which its estimators take.
    handleInvalid
        What becomes of a row without a vector: "keep" keeps it, with a null; "skip" leaves it out; "error" fails.
    model, revision, maxLength, pooling, normalize, dimensions, prompt, precision, engine, tokenBudget, windowRows, \
clean, longText, device
        Settings of `bert_spark.EncoderConfig`, with Spark's spelling.

    Examples
    --------
    >>> embedder = BertEmbedder(inputCol="text", outputCol="features", outputAs="vector", handleInvalid="skip")
    >>> fitted = Pipeline(stages=[embedder, LogisticRegression()]).fit(df)
    """

    errorCol = Param(
        Params._dummy(), "errorCol", "column that says why a row has no vector", typeConverter=TypeConverters.toString
    )
    outputAs = Param(
        Params._dummy(),
        "outputAs",
        "type of the vectors: array (array<float>) or vector (Spark's own, which its estimators take)",
        typeConverter=TypeConverters.toString,
    )
    handleInvalid = Param(
        Params._dummy(),
        "handleInvalid",
        "what becomes of a row without a vector: keep (with a null), skip (left out) or error",
        typeConverter=TypeConverters.toString,
    )
    model = _param("model", TypeConverters.toString)
    revision = _param("revision", TypeConverters.toString)
    maxLength = _param("maxLength", TypeConverters.toInt)
    pooling = _param("pooling", TypeConverters.toString)
    normalize = _param("normalize", TypeConverters.toBoolean)
    dimensions = _param("dimensions", TypeConverters.toInt)
    prompt = _param("prompt", TypeConverters.toString)
    precision = _param("precision", TypeConverters.toString)
    engine = _param("engine", TypeConverters.toString)
    tokenBudget = _param("tokenBudget", TypeConverters.toInt)
    windowRows = _param("windowRows", TypeConverters.toInt)
    clean = _param("clean", TypeConverters.toString)
    longText = _param("longText", TypeConverters.toString)
    device = _param("device", TypeConverters.toString)

    setInputCol = _setter("inputCol")
    setOutputCol = _setter("outputCol")
    getErrorCol, setErrorCol = _getter("errorCol"), _setter("errorCol")
    getOutputAs, setOutputAs = _getter("outputAs"), _setter("outputAs")
    getHandleInvalid, setHandleInvalid = _getter("handleInvalid"), _setter("handleInvalid")
    getModel, setModel = _getter("model"), _setter("model")
    getRevision, setRevision = _getter("revision"), _setter("revision")
    getMaxLength, setMaxLength = _getter("maxLength"), _setter("maxLength")
    getPooling, setPooling = _getter("pooling"), _setter("pooling")
    getNormalize, setNormalize = _getter("normalize"), _setter("normalize")
    getDimensions, setDimensions = _getter("dimensions"), _setter("dimensions")
    getPrompt, setPrompt = _getter("prompt"), _setter("prompt")
    getPrecision, setPrecision = _getter("precision"), _setter("precision")
    getEngine, setEngine = _getter("engine"), _setter("engine")
    getTokenBudget, setTokenBudget = _getter("tokenBudget"), _setter("tokenBudget")
    getWindowRows, setWindowRows = _getter("windowRows"), _setter("windowRows")
    getClean, setClean = _getter("clean"), _setter("clean")
    getLongText, setLongText = _getter("longText"), _setter("longText")
    getDevice, setDevice = _getter("device"), _setter("device")

    @keyword_only
    def __init__(self, **params: Any) -> None:
        super().__init__()
        defaults = {name: _FIELDS[field].default for name, field in _FIELD_OF_PARAM.items()}
        own = {"errorCol": "error", "outputAs": "array", "handleInvalid": "keep"}
        self._setDefault(inputCol="text", outputCol="embedding", **own, **defaults)
        self._set(**{name: value for name, value in self._input_kwargs.items() if value is not None})  # type: ignore[attr-defined]

    @property
    def config(self) -> EncoderConfig:
        """The encoder's settings, checked.

        Raises
        ------
        ConfigError
            If a value is out of range.
        """
        return EncoderConfig(**{field: self.getOrDefault(name) for name, field in _FIELD_OF_PARAM.items()})

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check_choices()
        names = {
            "text_column": self.getInputCol(),
            "embedding_column": self.getOutputCol(),
            "error_column": self.getErrorCol(),
        }
        embedded = dataset.transform(with_embedding(self.config, **names))
        if self.getHandleInvalid() == "skip":  # nothing is pushed through the UDF: BERT runs once for each row
            embedded = embedded.where(exact_column(self.getErrorCol()).isNull())
        if self.getHandleInvalid() != "error" and self.getOutputAs() == "array":
            return embedded
        name = self.getOutputCol()
        metadata = embedded.schema[name].metadata
        if self.getOutputAs() == "vector":  # with the length Spark's estimators need not look at a row to know it
            metadata = metadata | {"ml_attr": {"num_attrs": SparkEncoder().width(self.config)}}
        vector = self._output(exact_column(name)).alias(name, metadata=metadata)
        return embedded.select(*[vector if other == name else exact_column(other) for other in embedded.columns])

    def _check_choices(self) -> None:
        for name, choices in {"outputAs": _OUTPUTS, "handleInvalid": _INVALID}.items():
            if self.getOrDefault(name) not in choices:
                raise ConfigError(f"{name}={self.getOrDefault(name)!r} is unknown; known are {list(choices)}")

    def _output(self, vector: Column) -> Column:
        """Return the vectors in the output's type. With `handleInvalid="error"` a row without one fails."""
        if self.getOutputAs() == "vector":  # array_to_vector fails on a null, also where its result is not used
            never_null = F.coalesce(vector, F.array().cast("array<float>"))
            converted = F.when(vector.isNotNull(), array_to_vector(never_null))
        else:
            converted = vector
        if self.getHandleInvalid() != "error":
            return converted
        reason = F.concat(
            F.lit("a row has no vector: "),
            exact_column(self.getErrorCol()),
            F.lit("; set handleInvalid to 'skip' or 'keep'"),
        )
        return F.when(vector.isNull(), F.raise_error(reason)).otherwise(converted)
