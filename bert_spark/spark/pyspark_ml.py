"""`BertEmbedder`: `with_embedding` as a Transformer for a pyspark.ml Pipeline.

The output column is array<float>. Spark's estimators need a vector column: convert it with
`pyspark.ml.functions.array_to_vector`.
"""

from __future__ import annotations

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
    "precision": "precision",
    "engine": "engine",
    "tokenBudget": "token_budget",
    "windowRows": "window_rows",
    "clean": "clean",
    "longText": "long_text",
    "device": "device",
}
_CONVERTERS = {"str": TypeConverters.toString, "int": TypeConverters.toInt}


def _param(name: str, doc: str, kind: str = "str") -> Param[Any]:
    return Param(Params._dummy(), name, doc, typeConverter=_CONVERTERS[kind])


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
    model, revision, maxLength, pooling, precision, engine, tokenBudget, windowRows, clean, longText, device
        Settings of `bert_spark.EncoderConfig`, with Spark's spelling.

    Examples
    --------
    >>> from pyspark.ml.functions import array_to_vector
    >>> embedded = BertEmbedder(inputCol="text", outputCol="embedding").transform(df)
    >>> ready = embedded.where("error is null").withColumn("features", array_to_vector("embedding"))
    """

    errorCol = _param("errorCol", "column that says why a row has no vector")
    model = _param("model", "hub name, local folder or packaged:minilm-l6")
    revision = _param("revision", "branch, tag or commit on the hub")
    maxLength = _param("maxLength", "tokens read of a text, special tokens included", "int")
    pooling = _param("pooling", "cls, mean, max, pooler or flatten")
    precision = _param("precision", "arithmetic inside the model: float32, bfloat16, float16 or auto")
    engine = _param("engine", "torch or openvino")
    tokenBudget = _param("tokenBudget", "padded tokens of one micro-batch; 0 chooses by device", "int")
    windowRows = _param("windowRows", "rows that are deduplicated and sorted by length together", "int")
    clean = _param("clean", "cleaning before the tokenizer: off or tweets")
    longText = _param("longText", "truncate, or windows: the mean over windows of maxLength tokens")
    device = _param("device", "auto, cpu, cuda or cuda:N")

    @keyword_only
    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._setDefault(inputCol="text", outputCol="embedding", errorCol="error")
        self._set(**{name: value for name, value in self._input_kwargs.items() if value is not None})  # type: ignore[attr-defined]

    @property
    def config(self) -> EncoderConfig:
        """The encoder's settings, checked.

        Raises
        ------
        ConfigError
            If a value is out of range.
        """
        return EncoderConfig(
            **{field: self.getOrDefault(name) for name, field in _FIELD_OF_PARAM.items() if self.isSet(name)}
        )

    def _transform(self, dataset: DataFrame) -> DataFrame:
        names = {
            "text_column": self.getInputCol(),
            "embedding_column": self.getOutputCol(),
            "error_column": self.getOrDefault("errorCol"),
        }
        return dataset.transform(with_embedding(self.config, **names))
