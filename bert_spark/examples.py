"""From a labelled table to training examples on the driver: through BERT, or from vectors an earlier run wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from bert_spark.collect import check_fits, to_arrow, to_matrix
from bert_spark.columns import DIAGNOSTICS, HIDDEN, check_text_column, check_vectors, column_of, encoder_of, usable_text
from bert_spark.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.frames import with_embedding
from bert_spark.jobconf import HeadConfig, InputConfig, TrainConfig
from bert_spark.metrics import check_labels
from bert_spark.model import config_fingerprint
from bert_spark.pipelines import try_out
from bert_spark.sources import read
from bert_spark.spark_encoder import SparkEncoder
from bert_spark.spread import spread
from bert_spark.training import Examples, check_splits, conflicting, split_numbers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, SparkSession

_VECTOR = f"{HIDDEN}vector"
_ERROR = f"{HIDDEN}error"
_TEXT = f"{HIDDEN}text"
_SAMPLE = 1_000_000


def load_examples(
    spark: SparkSession, source: InputConfig, config: EncoderConfig, train: TrainConfig, head: HeadConfig
) -> tuple[Examples, EncoderConfig, dict[str, Any]]:
    """Return labelled texts with their vectors, once labels, split, head and size are known to be fit.

    Returns
    -------
    tuple
        The examples; the settings of the encoder that made their vectors; facts for the artefact: "counts" of rows,
        of what was left out and why, of truncated texts, and "warnings".

    Raises
    ------
    ConfigError
        When the head does not take these labels or its options.
    DataError
        When a column is absent, the labels can't be learnt, or the vectors would not fit into the driver's memory.
    FingerprintError
        When stored vectors were made by another model than the one of their name here.
    """
    stored = train.embeddings is not None
    tweets = read(spark, dataclasses.replace(source, path=train.embeddings, format="auto") if stored else source)
    if stored:
        config = _encoder_of(tweets, train)
    table, counts, share = _labelled(tweets, source.text_column, train)
    facts: dict[str, Any] = {"counts": counts, "warnings": _check(table, train, head)}
    counts["texts_with_conflicting_labels"] = conflicting(*_columns(table, "text", "label"))
    if train.features == "tfidf":
        texts, labels = _columns(table, "text", "label")
        return Examples(texts, np.empty((len(texts), 0), np.float32), np.array(labels)), config, facts
    check_fits(table.num_rows, SparkEncoder().width(config))
    wanted = tweets.where(column_of(train.label_column).isNotNull())
    if share < 1.0:
        wanted = wanted.where(_point(tweets, source.text_column) < int(share * _SAMPLE))
    text, label = usable_text(tweets, source.text_column).alias("text"), column_of(train.label_column).alias("label")
    if stored:
        shown = [column_of(name) for name in DIAGNOSTICS if set(DIAGNOSTICS) <= set(tweets.columns)]
        ready = wanted.select(text, label, column_of(train.embedding_column).alias("vector"), *shown)
    else:
        names = {"embedding_column": _VECTOR, "error_column": _ERROR}
        diagnostics = {name: f"{HIDDEN}{name}" for name in DIAGNOSTICS}
        add = with_embedding(config, text_column=source.text_column, **names, diagnostics=diagnostics)
        done = spread(wanted, source.partition_mb).transform(add)
        shown = [F.col(column).alias(name) for name, column in diagnostics.items()]
        ready = done.select(column_of(source.text_column).alias("text"), label, F.col(_VECTOR).alias("vector"), *shown)
    collected = to_arrow(ready)
    good = collected.filter(collected["vector"].is_valid())
    counts["without_vector"] = table.num_rows - good.num_rows
    counts |= _token_counts(good, config.max_length)
    texts, labels = _columns(good, "text", "label")
    return Examples(texts, to_matrix(good["vector"]), np.array(labels)), config, facts


def _labelled(tweets: DataFrame, text_column: str, train: TrainConfig) -> tuple[pa.Table, dict[str, int], float]:
    """Return texts and labels of the rows to learn from, counts, and the share taken: a pass before BERT runs."""
    check_text_column(tweets, text_column)
    if train.label_column not in tweets.columns:
        raise DataError(f"column {train.label_column!r} not found; the table has {tweets.columns}; set --label-column")
    text = usable_text(tweets, text_column)
    label = column_of(train.label_column)
    found = to_arrow(
        tweets.select(text.alias("text"), label.alias("label"), _point(tweets, text_column).alias("point"))
    )
    labelled = found.filter(found["label"].is_valid())
    check_labels(labelled["label"].to_pylist())
    usable = labelled.filter(labelled["text"].is_valid())
    share = min(1.0, (train.max_rows or found.num_rows) / max(1, found.num_rows))
    taken = usable if share == 1.0 else usable.filter(np.asarray(usable["point"]) < int(share * _SAMPLE))
    counts = {
        "rows": found.num_rows,
        "without_label": found.num_rows - labelled.num_rows,
        "missing_or_malformed_text": labelled.num_rows - usable.num_rows,
        "left_out_by_max_rows": usable.num_rows - taken.num_rows,
    }
    return taken, counts, share


def _point(tweets: DataFrame, text_column: str) -> Column:
    return F.pmod(F.xxhash64(f"`{text_column}`"), F.lit(_SAMPLE))


def _check(table: pa.Table, train: TrainConfig, head: HeadConfig) -> list[str]:
    texts, labels = _columns(table, "text", "label")
    warnings = check_splits(texts, labels, train.seed)
    numbers = split_numbers(texts, train.seed)
    try_out(train.features, head, [label for label, number in zip(labels, numbers, strict=True) if number == 0])
    return warnings


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _token_counts(table: pa.Table, max_length: int) -> Mapping[str, Any]:
    """Return how many texts were cut, and the share of unknown tokens among those read; nothing if not known."""
    if "token_count" not in table.column_names:
        return {}
    read = np.minimum(table["token_count"].to_numpy(), max_length)
    unknown = float((table["unknown_share"].to_numpy() * read).sum() / max(1, read.sum()))
    return {"truncated": int(np.sum(table["truncated"].to_numpy())), "unknown_token_share": unknown}


def _encoder_of(tweets: DataFrame, train: TrainConfig) -> EncoderConfig:
    name, where = train.embedding_column, f"{train.embeddings!r}"
    if name not in tweets.columns:
        raise DataError(f"column {name!r} not found; {where} has {tweets.columns}; set --embedding-column")
    config, _ = encoder_of(tweets.schema[name].metadata, where)
    check_vectors(tweets, name, config_fingerprint(config))
    return config
