"""`BertEmbedder`: `with_embedding` as a Transformer for a pyspark.ml Pipeline.

The output column is array<float>. Spark's estimators need a vector column: convert it with
`pyspark.ml.functions.array_to_vector`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from bert_spark.encoding.config import EncoderConfig
from bert_spark.spark.transforms import with_embedding

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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

    Rows without a vector, such as those with a missing text, have a null. Filter them out before an estimator.

    Parameters
    ----------
    inputCol
        The text column.
    outputCol, errorCol
        The new columns: array<float>, and the reason if a row has no vector.
    model, revision, maxLength, pooling, normalize, dimensions, prompt, precision, engine, tokenBudget, windowRows, \
clean, longText, device
        Settings of `bert_spark.EncoderConfig`, with Spark's spelling.

    Examples
    --------
    >>> from pyspark.ml.functions import array_to_vector
    >>> embedded = BertEmbedder(inputCol="text", outputCol="embedding").transform(df)
    >>> ready = embedded.where("error is null").withColumn("features", array_to_vector("embedding"))
    """

    errorCol = Param(
        Params._dummy(), "errorCol", "column that says why a row has no vector", typeConverter=TypeConverters.toString
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
        self._setDefault(inputCol="text", outputCol="embedding", errorCol="error", **defaults)
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
        names = {
            "text_column": self.getInputCol(),
            "embedding_column": self.getOutputCol(),
            "error_column": self.getErrorCol(),
        }
        return dataset.transform(with_embedding(self.config, **names))
