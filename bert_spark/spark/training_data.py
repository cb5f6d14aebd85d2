"""From labelled rows to training examples on the driver: through BERT, or from stored vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import DataError
from bert_spark.memory import check_fits
from bert_spark.spark.arrow_arrays import column_values
from bert_spark.spark.collect import fill_matrix
from bert_spark.spark.preflight import run_preflight
from bert_spark.spark.session import spark_session
from bert_spark.spark.spark_encoder import SparkEncoder
from bert_spark.spark.training_rows import LabelledRows, SparkRows, parquet_rows
from bert_spark.tables.provenance import check_vectors, encoder_from_metadata
from bert_spark.tables.readers import read_input
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.heads import try_head
from bert_spark.training.labels import check_labels
from bert_spark.training.splits import check_splits, count_conflicting_texts, split_numbers
from bert_spark.training.stopwatch import Stopwatch

if TYPE_CHECKING:
    import pyarrow as pa

    from bert_spark.settings import JobSettings


Loaded = tuple[Examples, EncoderConfig, dict[str, Any]]


def load_training_data(job: JobSettings, encoder: EncoderConfig | None = None) -> TrainingData | None:
    """Return what a job is to learn from; None with `--check`, which stops after the pre-flight.

    Vectors in Parquet files that this process can read are read here, without Spark.

    Parameters
    ----------
    job
        The job's settings.
    encoder
        Makes the vectors; by default the job's own.

    Raises
    ------
    BertSparkError
        As `labelled_examples` and `run_preflight` raise.
    """
    clock = Stopwatch()
    with clock("embed_and_collect"):
        found = _load(job, encoder or job.encoder)
    return None if found is None else TrainingData(*found, clock.seconds)


def _load(job: JobSettings, encoder: EncoderConfig) -> Loaded | None:
    here = None if job.check else parquet_rows(job.input, job.train)
    if here is not None:
        return labelled_examples(here, None, job.train, job.head)
    with spark_session(f"bert_spark {job.name}", job.spark) as spark:
        if not run_preflight(spark, encoder, check_only=job.check):
            return None
        if job.train.embeddings is None:
            rows = SparkRows(read_input(spark, job.input), job.input, job.train, encoder)
            return labelled_examples(rows, encoder, job.train, job.head)
        stored = dataclasses.replace(job.input, path=job.train.embeddings, format="auto")
        return labelled_examples(SparkRows(read_input(spark, stored), stored, job.train), None, job.train, job.head)


def labelled_examples(
    rows: LabelledRows, encoder: EncoderConfig | None, train: TrainConfig, head: HeadConfig
) -> Loaded:
    """Return labelled texts with their vectors, after labels, split, classifier and size have been checked.

    Parameters
    ----------
    rows
        The labelled rows.
    encoder
        Makes the vectors; None if the rows have vectors, whose column names their encoder.
    train, head
        The settings.

    Returns
    -------
    tuple
        The examples, the settings of the encoder that made their vectors, and facts for the artefact: see
        `TrainingData`.

    Raises
    ------
    ConfigError
        When the head does not take these labels or its options.
    DataError
        When the labels can't be learnt, or the vectors would not fit into the driver's memory.
    FingerprintError
        When stored vectors were made by another model than the one of their name here.
    """
    config = encoder or _stored_encoder(rows, train)
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
    facts: dict[str, Any] = {"counts": counts, "warnings": _check_labels(table, train, head)}
    counts["texts_with_conflicting_labels"] = count_conflicting_texts(*_columns(table, "text", "label"))
    if train.features == "tfidf":
        texts, labels = _columns(table, "text", "label")
        return Examples(texts, np.empty((len(texts), 0), np.float32), np.array(labels)), config, facts
    matrix, good = fill_matrix(rows.vectors(share), table.num_rows)
    counts["without_vector"] = table.num_rows - good.num_rows
    counts |= _token_counts(good, config.max_length)
    texts, labels = _columns(good, "text", "label")
    return Examples(texts, matrix, np.array(labels)), config, facts


def _check_labels(table: pa.Table, train: TrainConfig, head: HeadConfig) -> list[str]:
    texts, labels = _columns(table, "text", "label")
    check_labels(labels)
    warnings = check_splits(texts, labels, train.seed)
    numbers = split_numbers(texts, train.seed)
    try_head(train.features, head, [label for label, number in zip(labels, numbers, strict=True) if number == 0])
    return warnings


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [column_values(table[name]) for name in names]


def _token_counts(table: pa.Table, max_length: int) -> Mapping[str, Any]:
    """Return how many texts were cut, and the share of unknown tokens among those read; nothing if not known."""
    if "token_count" not in table.column_names:
        return {}
    # null where the vector was taken from an earlier table
    cut, count = table["truncated"].fill_null(False).to_numpy(), table["token_count"].fill_null(0).to_numpy()
    read = np.where(cut, max_length, count)
    unknown = float((table["unknown_share"].fill_null(0).to_numpy() * read).sum() / max(1, read.sum()))
    return {"truncated": int(cut.sum()), "unknown_token_share": unknown}


def _stored_encoder(rows: LabelledRows, train: TrainConfig) -> EncoderConfig:
    name, where = train.embedding_column, f"{train.embeddings!r}"
    if name not in rows.columns:
        raise DataError(f"column {name!r} not found; {where} has {rows.columns}; set --embedding-column")
    config, _ = encoder_from_metadata(rows.schema[name].metadata, where)
    check_vectors(rows, name, config_fingerprint(config))
    return config
