"""From labelled rows to training examples on the driver. BERT computes their vectors, or they are already stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint, with_fixed_revision
from bert_spark.encoding.recipe_note import log_recipe_note
from bert_spark.encoding.vector_recipe import recipe_of
from bert_spark.errors import DataError
from bert_spark.memory import check_fits
from bert_spark.spark.arrow_arrays import column_values
from bert_spark.spark.collect import fill_matrix
from bert_spark.spark.local_workers import task_imports
from bert_spark.spark.parquet_rows import parquet_rows
from bert_spark.spark.preflight import run_preflight
from bert_spark.spark.session import spark_session
from bert_spark.spark.spark_encoder import SparkEncoder
from bert_spark.spark.training_rows import LabelledRows, SparkRows
from bert_spark.spark.training_vectors import column_to_learn_from
from bert_spark.tables.input_format import input_format
from bert_spark.tables.provenance import check_vectors, encoder_from_metadata
from bert_spark.tables.readers import read_input
from bert_spark.tables.schema import table_columns
from bert_spark.tables.stored_vectors import may_hold_vectors
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.heads import try_head
from bert_spark.training.labels import as_classes, check_labels
from bert_spark.training.splits import check_splits, count_conflicting_texts, split_numbers
from bert_spark.training.stopwatch import Stopwatch

if TYPE_CHECKING:
    import pyarrow as pa

    from bert_spark.settings import JobSettings


LoadedExamples = tuple[Examples, EncoderConfig, dict[str, Any]]


def load_training_data(job: JobSettings, encoder: EncoderConfig | None = None) -> TrainingData | None:
    """Return the examples that a job learns from; None with `--check`, which stops after the pre-flight.

    Stored vectors in Parquet files that this process can read itself are read without Spark.

    Parameters
    ----------
    job
        The job's settings.
    encoder
        Settings of the encoder that computes the vectors; by default the job's own.

    Raises
    ------
    BertSparkError
        As `labelled_examples` and `run_preflight` raise.
    """
    clock = Stopwatch()
    with clock("embed_and_collect"):
        loaded = _load(job, encoder or job.encoder)
    return None if loaded is None else TrainingData(*loaded[0], clock.seconds, from_stored_vectors=loaded[1])


def _load(job: JobSettings, encoder: EncoderConfig) -> tuple[LoadedExamples, bool] | None:
    """Return the examples, and whether their vectors were in the input; None with `--check`."""
    if job.train.embeddings is None and job.train.features != "tfidf":
        encoder = with_fixed_revision(encoder)
    source = job.input
    if job.train.embeddings is not None:
        source = dataclasses.replace(source, path=job.train.embeddings, format="auto")
    local_rows = None if job.check else parquet_rows(source, job.train, job.encoder)
    if local_rows is not None:
        return labelled_examples(local_rows, None, job.train, job.head), True
    needs_note = job.name == "train" and job.train.features != "tfidf"
    is_known = not job.check and not may_hold_vectors(input_format(source))  # that BERT runs
    if needs_note and is_known:
        log_recipe_note(encoder)
    with spark_session(f"bert_spark {job.name}", job.spark, task_imports(job)) as spark:
        if not run_preflight(spark, encoder, check_only=job.check):
            return None
        table = read_input(spark, source, [job.train.label_column])
        column = column_to_learn_from(table, source, job.train, job.encoder)
        train = dataclasses.replace(job.train, embedding_column=column)
        if column is not None:
            return labelled_examples(SparkRows(table, source, train), None, train, job.head), True
        if needs_note and not is_known:
            log_recipe_note(encoder)
        return labelled_examples(SparkRows(table, source, train, encoder), encoder, train, job.head), False


def labelled_examples(
    rows: LabelledRows, encoder: EncoderConfig | None, train: TrainConfig, head: HeadConfig
) -> LoadedExamples:
    """Return labelled texts with their vectors. Labels, split, classifier and size are checked before BERT runs.

    Parameters
    ----------
    rows
        The labelled rows.
    encoder
        Settings of the encoder that computes the vectors; None if the rows have vectors, whose column names their
        encoder.
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
        If the head does not accept these labels or its options.
    DataError
        If the labels cannot be learnt, or the vectors would not fit into the driver's memory or are more than Spark
        sends to it.
    FingerprintError
        If the model that made the stored vectors is not the one that has its name now.
    """
    config = encoder or _stored_encoder(rows)
    total, labelled, usable = rows.counts()
    size = train.max_rows if train.max_rows is not None and train.max_rows < usable else None
    if train.features != "tfidf":
        width = SparkEncoder().width(config)
        check_fits(size or usable, width)
        rows.check_collectable(size or usable, width)
    pairs, sample = rows.pairs(size)
    counts = {
        "rows": total,
        "without_label": total - labelled,
        "missing_or_malformed_text": labelled - usable,
        "left_out_by_max_rows": usable - pairs.num_rows,
    }
    facts: dict[str, Any] = {"counts": counts, "warnings": rows.warnings() + _check_labels(pairs, train, head)}
    counts["texts_with_conflicting_labels"] = count_conflicting_texts(*_texts_and_labels(pairs))
    if train.features == "tfidf":
        return _examples(pairs, np.empty((pairs.num_rows, 0), np.float32)), config, facts
    matrix, with_vector = fill_matrix(rows.vectors(sample), pairs.num_rows)
    counts["without_vector"] = pairs.num_rows - with_vector.num_rows
    counts |= _token_counts(with_vector, recipe_of(config).max_length)
    return _examples(with_vector, matrix), config, facts


def _examples(table: pa.Table, matrix: np.ndarray) -> Examples:
    texts, labels = _texts_and_labels(table)
    return Examples(texts, matrix, np.array(labels))


def _check_labels(table: pa.Table, train: TrainConfig, head: HeadConfig) -> list[str]:
    """Check labels, split and classifier; return warnings."""
    import pyarrow as pa

    texts, labels = _texts_and_labels(table)
    check_labels(labels)
    warnings = check_splits(texts, labels, train.seed)
    if pa.types.is_floating(table["label"].type) or pa.types.is_decimal(table["label"].type):
        warnings.append(f"the labels of column {train.label_column!r} are whole {table['label'].type}s, read as ints")
    numbers = split_numbers(texts, train.seed)
    try_head(train.features, head, [label for label, number in zip(labels, numbers, strict=True) if number == 0])
    return warnings


def _texts_and_labels(table: pa.Table) -> tuple[list[str], list[Any]]:
    return column_values(table["text"]), as_classes(column_values(table["label"]))


def _token_counts(table: pa.Table, max_length: int) -> Mapping[str, Any]:
    """Return how many texts were truncated, and the share of unknown tokens among those read; empty if unknown."""
    if "token_count" not in table.column_names:
        return {}
    # null if the vector was taken from an earlier output
    truncated = table["truncated"].fill_null(False).to_numpy()
    tokens_read = np.where(truncated, max_length, table["token_count"].fill_null(0).to_numpy())
    unknown = table["unknown_share"].fill_null(0).to_numpy() * tokens_read
    return {
        "truncated": int(truncated.sum()),
        "unknown_token_share": float(unknown.sum() / max(1, tokens_read.sum())),
    }


def _stored_encoder(rows: LabelledRows) -> EncoderConfig:
    """Return the settings of the encoder that the column of stored vectors names."""
    name, where = rows.vector, repr(rows.path)
    if name not in rows.columns:
        raise DataError(f"column {name!r} not found; {where} has {table_columns(rows)}; set --embedding-column")
    config, _ = encoder_from_metadata(rows.schema[name].metadata, where)
    check_vectors(rows, name, config_fingerprint(config))
    return config
