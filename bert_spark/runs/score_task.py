"""Turn the settings of jobs/score.py and an artefact into its task."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from bert_spark.runs.input_vectors import column_to_score
from bert_spark.runs.task import Task
from bert_spark.runs.truth import Truth
from bert_spark.settings import settings_of
from bert_spark.spark.transforms import with_score
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY, check_encoder_known
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.artefact.artefact import Artefact
    from bert_spark.settings import JobSettings

_NEWER = {"trust_vectors", "label_column", "margin_column", "scores_column", "truth", "trim_labels"}


def score_task(spark: SparkSession, job: JobSettings, artefact: Artefact) -> Task:
    """Return the task that adds the artefact's labels to the input.

    Raises
    ------
    ConfigError, FingerprintError
        As `with_score` and `column_to_score` raise.
    """
    vectors = column_to_score(spark, job, artefact)
    runs_bert = artefact.uses_bert and vectors is None
    diagnostics = counted_diagnostics(shown=job.scores.diagnostics) if runs_bert else {}
    add = functools.partial(
        with_score,
        artefact.path,
        embedding_column=vectors,
        error_column=job.scores.error_column,
        scores=job.score.scores,
        keep_embedding=job.score.keep_embedding,
        diagnostics=diagnostics,
        min_probability=job.score.min_probability,
        label_column=job.score.label_column,
        margin_column=job.score.margin_column,
        scores_column=job.score.scores_column,
    )
    add(text_column=job.input.text_column)  # refuses wrong settings now
    not_texts = [job.schedule.date_column, job.scores.error_column if vectors else None, job.score.truth]
    labels = artefact.labels.tolist()
    truth = None
    if job.score.truth is not None:
        truth = Truth(job.score.truth, job.score.label_column, labels, trim=job.score.trim_labels)

    def add_labels(rows: DataFrame) -> DataFrame:
        if truth is not None:
            truth.check_column(rows)
        if vectors is not None and not job.score.trust_vectors:
            check_encoder_known(rows, vectors, artefact.fingerprint)
        return add(text_column=with_text_column(rows, job.input, not_texts).text_column)(rows)

    return Task(
        "score",
        artefact.config,
        artefact.fingerprint,
        {FINGERPRINT_KEY: artefact.fingerprint, ARTEFACT_KEY: artefact.digest},
        job.input,
        job.scores,
        add_labels,
        diagnostics,
        labels=labels,
        label_column=job.score.label_column,
        trained_label_shares=artefact.metadata.get("label_shares", {}),
        facts={
            "artefact": artefact.path,
            "artefact_digest": artefact.digest,
            "score": settings_of(dataclasses.replace(job.score, embedding_column=vectors), newer=_NEWER),
        },
        reads_vectors=vectors is not None,
        not_texts=not_texts,
        truth=truth,
    )
