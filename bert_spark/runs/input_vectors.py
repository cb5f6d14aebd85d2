"""Decide whether jobs/score.py reads the vectors of its input, or runs BERT. Refuses vectors of another encoder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bert_spark.errors import DataError, FingerprintError
from bert_spark.runs.day_filter import input_of_day
from bert_spark.runs.settings_checks import has_path_per_day
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.readers import load_input
from bert_spark.tables.recorded_models import latest_record
from bert_spark.tables.stored_vectors import may_hold_vectors, vector_columns, vectors_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import SparkSession
    from pyspark.sql import types as T

    from bert_spark.artefact.artefact_group import ArtefactGroup
    from bert_spark.settings import JobSettings

logger = logging.getLogger(__name__)


def column_to_score(spark: SparkSession, job: JobSettings, group: ArtefactGroup) -> str | None:
    """Return the column of vectors that is scored; None if BERT runs, or if no artefact needs vectors.

    It is the one that is set, or else the one whose metadata names the artefacts' encoder.

    Raises
    ------
    FingerprintError
        If none is set, and the input holds vectors of other encoders only.
    """
    chosen = job.score.embedding_column
    if chosen is not None or not group.uses_bert:
        return chosen or None
    stored = _stored_vectors(spark, job)
    if not stored:
        return None
    for field in stored:
        if field.metadata[FINGERPRINT_KEY] == group.fingerprint:
            logger.info("%s", vectors_found(job.input, field))
            return field.name
    owners = ", ".join(f"{field.metadata[FINGERPRINT_KEY][:12]} in column {field.name!r}" for field in stored)
    raise FingerprintError(
        f"{job.input.path!r} holds vectors of encoder {owners}, the artefact was trained on "
        f"{group.fingerprint[:12]}; embed the texts again with the artefact's encoder, train on these vectors, or "
        "set --embedding-column '' to run BERT on the texts"
    )


def _stored_vectors(spark: SparkSession, job: JobSettings) -> Sequence[T.StructField]:
    source = _first_input(spark, job)
    if source is None or not may_hold_vectors(kind := input_format(source)):
        return []
    if kind == "json" and not latest_record(spark, str(source.path), kind, "embed"):
        return []  # Spark reads all of the json to know its columns
    try:
        return vector_columns(load_input(spark, source).schema)
    except DataError:  # the run itself says what is wrong
        return []


def _first_input(spark: SparkSession, job: JobSettings) -> InputConfig | None:
    """Return the input; of an input with a path for each day, that of the first day that has one."""
    source: InputConfig = job.input
    if not has_path_per_day(source):
        return source
    inputs = (input_of_day(source, day) for day in job.schedule.days)
    return next((one for one in inputs if path_exists(spark, str(one.path), input_format(one))), None)
