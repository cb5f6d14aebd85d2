"""From labelled rows to training examples on the driver: through BERT, or from vectors an earlier run wrote."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bert_spark.arrays import values_of
from bert_spark.collect import check_fits, gather
from bert_spark.columns import check_vectors, encoder_of
from bert_spark.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.jobconf import HeadConfig, TrainConfig
from bert_spark.labelled import Labelled, SparkRows, parquet_rows
from bert_spark.metrics import check_labels
from bert_spark.model import config_fingerprint
from bert_spark.pipelines import try_out
from bert_spark.preflight import ready
from bert_spark.session import spark_session
from bert_spark.sources import read
from bert_spark.spark_encoder import SparkEncoder
from bert_spark.training import Examples, check_splits, conflicting, split_numbers

if TYPE_CHECKING:
    import pyarrow as pa

    from bert_spark.cli import Job

Loaded = tuple[Examples, EncoderConfig, dict[str, Any]]


def examples_of(name: str, job: Job, encoder: EncoderConfig) -> Loaded | None:
    """Return what a job is to learn from, see `load_examples`; None where it was asked for the pre-flight only.

    Vectors in Parquet files that this process can read are read here, and no Spark starts.
    """
    here = None if job.check else parquet_rows(job.input, job.train)
    if here is not None:
        return load_examples(here, None, job.train, job.head)
    with spark_session(name, job.spark) as spark:
        if not ready(spark, encoder, check_only=job.check):
            return None
        if job.train.embeddings is None:
            rows = SparkRows(read(spark, job.input), job.input, job.train, encoder)
            return load_examples(rows, encoder, job.train, job.head)
        stored = dataclasses.replace(job.input, path=job.train.embeddings, format="auto")
        return load_examples(SparkRows(read(spark, stored), stored, job.train), None, job.train, job.head)


def load_examples(rows: Labelled, encoder: EncoderConfig | None, train: TrainConfig, head: HeadConfig) -> Loaded:
    """Return labelled texts with their vectors, once labels, split, head and size are known to be fit.

    Parameters
    ----------
    rows
        Where they are.
    encoder
        That makes the vectors; None for those that are there, which say what made them.
    train, head
        The settings.

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
        When the labels can't be learnt, or the vectors would not fit into the driver's memory.
    FingerprintError
        When stored vectors were made by another model than the one of their name here.
    """
    config = encoder or _encoder_of(rows, train)
    total, labelled, usable = rows.counts()
    share = min(1.0, (train.max_rows or total) / max(1, total))
    if train.features != "tfidf":
        check_fits(int(usable * share), SparkEncoder().width(config))
    table = rows.pairs(share)
    counts = {
        "rows": total,
        "without_label": total - labelled,
        "missing_or_malformed_text": labelled - usable,
        "left_out_by_max_rows": usable - table.num_rows,
    }
    facts: dict[str, Any] = {"counts": counts, "warnings": _check(table, train, head)}
    counts["texts_with_conflicting_labels"] = conflicting(*_columns(table, "text", "label"))
    if train.features == "tfidf":
        texts, labels = _columns(table, "text", "label")
        return Examples(texts, np.empty((len(texts), 0), np.float32), np.array(labels)), config, facts
    matrix, good = gather(rows.vectors(share), table.num_rows)
    counts["without_vector"] = table.num_rows - good.num_rows
    counts |= _token_counts(good, config.max_length)
    texts, labels = _columns(good, "text", "label")
    return Examples(texts, matrix, np.array(labels)), config, facts


def _check(table: pa.Table, train: TrainConfig, head: HeadConfig) -> list[str]:
    texts, labels = _columns(table, "text", "label")
    check_labels(labels)
    warnings = check_splits(texts, labels, train.seed)
    numbers = split_numbers(texts, train.seed)
    try_out(train.features, head, [label for label, number in zip(labels, numbers, strict=True) if number == 0])
    return warnings


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [values_of(table[name]) for name in names]


def _token_counts(table: pa.Table, max_length: int) -> Mapping[str, Any]:
    """Return how many texts were cut, and the share of unknown tokens among those read; nothing if not known."""
    if "token_count" not in table.column_names:
        return {}
    # null where the vector was taken from an earlier table
    cut, count = table["truncated"].fill_null(False).to_numpy(), table["token_count"].fill_null(0).to_numpy()
    read = np.where(cut, max_length, count)
    unknown = float((table["unknown_share"].fill_null(0).to_numpy() * read).sum() / max(1, read.sum()))
    return {"truncated": int(cut.sum()), "unknown_token_share": unknown}


def _encoder_of(rows: Labelled, train: TrainConfig) -> EncoderConfig:
    name, where = train.embedding_column, f"{train.embeddings!r}"
    if name not in rows.columns:
        raise DataError(f"column {name!r} not found; {where} has {rows.columns}; set --embedding-column")
    config, _ = encoder_of(rows.schema[name].metadata, where)
    check_vectors(rows, name, config_fingerprint(config))
    return config
