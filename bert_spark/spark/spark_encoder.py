"""The encoder for `BertTransformer(encoder=SparkEncoder())`, which embeds on the executors of the active Spark session.

It holds no session, so that it can be cloned and pickled.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.text_cleaning import replace_lone_surrogates
from bert_spark.encoding.vector_recipe import recipe_of
from bert_spark.errors import ModelError, SetupError
from bert_spark.memory import check_fits
from bert_spark.spark.collect import check_result_size, collect_arrow, column_to_matrix
from bert_spark.spark.session import current_session
from bert_spark.spark.transforms import with_embedding


class SparkEncoder(BaseEstimator):  # type: ignore[misc]
    """Embed through the active SparkSession.

    Parameters
    ----------
    partitions
        Number of partitions that the texts are spread over. By default 1 per 500 texts, from 2 to 200.
    """

    def __init__(self, partitions: int | None = None) -> None:
        self.partitions = partitions

    def encode(self, texts: list[str], config: EncoderConfig) -> np.ndarray:
        """Return the vectors of texts in their order: float32, shape (n_texts, width).

        Raises
        ------
        SetupError
            If no Spark session is active.
        DataError
            If the vectors would not fit into the driver's memory, or are more than Spark sends to it.
        ModelError
            If a text cannot be embedded. The message names its row.
        """
        spark = current_session()
        if spark is None:
            raise SetupError("no active Spark session; create one with SparkSession.builder.getOrCreate() first")
        if config.embedding_func is None:
            width = self.width(config)
            check_fits(len(texts), width)
            check_result_size(spark, len(texts), width)
        rows = pd.DataFrame({"row": range(len(texts)), "text": [replace_lone_surrogates(text) for text in texts]})
        df = spark.createDataFrame(rows, "row long, text string")
        partitions = self.partitions or max(2, min(len(texts) // 500 + 1, 200))
        embedded = df.repartition(partitions).transform(with_embedding(config)).select("row", "embedding", "error")
        table = collect_arrow(embedded).sort_by("row")
        failed = [(row, reason) for row, reason in enumerate(table["error"].to_pylist()) if reason]
        if failed:
            raise ModelError(f"row {failed[0][0]}: {failed[0][1]} ({len(failed)} of {len(texts)} rows)")
        return column_to_matrix(table["embedding"])

    def width(self, config: EncoderConfig) -> int:
        """Return the length of one vector, from the model's configuration.

        If a function computes the vectors, one text is encoded to measure it.
        """
        from transformers import AutoConfig

        from bert_spark.encoding.model_resolver import resolve_model

        if config.embedding_func is not None:
            return int(self.encode(["a"], config).shape[1])
        hidden = int(AutoConfig.from_pretrained(str(resolve_model(config.model, config.revision))).hidden_size)
        return recipe_of(config).width(hidden)
