"""From a labelled table to training examples on the driver: through BERT, or from vectors an earlier run wrote."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from bert_spark.collect import check_fits, to_arrow, to_matrix
from bert_spark.columns import check_vectors, encoder_of
from bert_spark.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.frames import with_embedding
from bert_spark.jobconf import InputConfig, TrainConfig
from bert_spark.metrics import check_labels
from bert_spark.model import config_fingerprint
from bert_spark.sources import read
from bert_spark.spark_encoder import SparkEncoder
from bert_spark.spread import spread
from bert_spark.training import Examples

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_VECTOR = "_bert_spark_vector"
_ERROR = "_bert_spark_error"


def load_examples(
    spark: SparkSession, source: InputConfig, config: EncoderConfig, train: TrainConfig
) -> tuple[Examples, EncoderConfig, dict[str, int]]:
    """Return labelled texts with their vectors, once the labels and the size are known to be fit.

    Returns
    -------
    tuple
        The examples; the settings of the encoder that made their vectors; how many rows there were, had no label,
        were left
        out by max_rows, and had no vector.

    Raises
    ------
    DataError
        When a column is absent, the labels can't be learnt, or the vectors would not fit into the driver's memory.
    FingerprintError
        When stored vectors were made by another model than the one of their name here.
    """
    stored = train.embeddings is not None
    tweets = read(spark, dataclasses.replace(source, path=train.embeddings, format="auto") if stored else source)
    if stored:
        config = _encoder_of(tweets, train)
    counts = _label_counts(tweets, train.label_column)
    share = min(1.0, (train.max_rows or counts["rows"]) / max(1, counts["rows"]))
    check_fits(int(counts["rows"] * share), SparkEncoder().width(config))
    wanted = tweets.where(F.col(f"`{train.label_column}`").isNotNull())
    if share < 1.0:
        wanted = wanted.where(F.pmod(F.xxhash64(f"`{source.text_column}`"), F.lit(1_000_000)) < int(share * 1_000_000))
    if stored:
        ready = wanted.withColumn(_VECTOR, F.col(f"`{train.embedding_column}`"))
    else:
        names = {"embedding_column": _VECTOR, "error_column": _ERROR}
        add = with_embedding(config, text_column=source.text_column, **names)
        ready = spread(wanted, source.partition_mb).transform(add)
    columns = (source.text_column, train.label_column, _VECTOR)
    table = to_arrow(ready.select(*(F.col(f"`{name}`") for name in columns)))
    good = table.filter(table[_VECTOR].is_valid())
    counts["left_out_by_max_rows"] = counts["rows"] - counts["without_label"] - table.num_rows
    counts["without_vector"] = table.num_rows - good.num_rows
    labels = np.array(good[train.label_column].to_pylist())
    return Examples(good[source.text_column].to_pylist(), to_matrix(good[_VECTOR]), labels), config, counts


def _encoder_of(tweets: DataFrame, train: TrainConfig) -> EncoderConfig:
    name, where = train.embedding_column, f"{train.embeddings!r}"
    if name not in tweets.columns:
        raise DataError(f"column {name!r} not found; {where} has {tweets.columns}; set --embedding-column")
    config, _ = encoder_of(tweets.schema[name].metadata, where)
    check_vectors(tweets, name, config_fingerprint(config))
    return config


def _label_counts(tweets: DataFrame, label_column: str) -> dict[str, int]:
    """Count rows and labels: a pass over the input alone, before BERT runs."""
    if label_column not in tweets.columns:
        raise DataError(f"column {label_column!r} not found; the table has {tweets.columns}; set --label-column")
    rows = tweets.groupBy(F.col(f"`{label_column}`").alias("label")).count().collect()
    counts = {row["label"]: row["count"] for row in rows}
    check_labels([label for label in counts if label is not None])
    return {"rows": sum(counts.values()), "without_label": counts.get(None, 0)}
