"""Turn the settings of jobs/score.py and its artefacts into its task."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from bert_spark.runs.input_vectors import column_to_score
from bert_spark.runs.task import Task
from bert_spark.runs.truth import Truth
from bert_spark.settings import settings_of
from bert_spark.spark.result_columns import named_column
from bert_spark.spark.transforms import with_score
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY, check_encoder_known
from bert_spark.tables.row_counts import CountedLabels
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.artefact.artefact_group import ArtefactGroup
    from bert_spark.settings import JobSettings

_NEWER = {"trust_vectors", "label_column", "margin_column", "scores_column", "truth", "trim_labels"}


def score_task(spark: SparkSession, job: JobSettings, group: ArtefactGroup) -> Task:
    """Return the task that adds the artefacts' labels to the input.

    Raises
    ------
    ConfigError, FingerprintError
        As `with_score` and `column_to_score` raise.
    """
    vectors = column_to_score(spark, job, group)
    runs_bert = group.uses_bert and vectors is None
    diagnostics = counted_diagnostics(shown=job.scores.diagnostics) if runs_bert else {}
    add = functools.partial(
        with_score,
        group,
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
    labels = [
        CountedLabels(named_column(job.score.label_column, name), artefact.labels.tolist(), name)
        for name, artefact in group.by_name.items()
    ]
    truth = None
    if job.score.truth is not None:
        truth = Truth(job.score.truth, labels[0].column, labels[0].labels, trim=job.score.trim_labels)
    settings = settings_of(dataclasses.replace(job.score, embedding_column=vectors), newer=_NEWER)

    def add_labels(rows: DataFrame) -> DataFrame:
        if truth is not None:
            truth.check_column(rows)
        if vectors is not None and not job.score.trust_vectors:
            check_encoder_known(rows, vectors, group.fingerprint)
        return add(text_column=with_text_column(rows, job.input, not_texts).text_column)(rows)

    return Task(
        "score",
        group.config,
        group.fingerprint,
        {FINGERPRINT_KEY: group.fingerprint, ARTEFACT_KEY: group.digest},
        job.input,
        job.scores,
        add_labels,
        diagnostics,
        labels=labels,
        trained_label_shares={name: one.metadata.get("label_shares", {}) for name, one in group.by_name.items()},
        facts={
            "artefact": group.path,
            "artefact_digest": group.digest,
            "score": settings | {"artefact": job.score.artefact[0] if len(labels) == 1 else [*job.score.artefact]},
        },
        reads_vectors=vectors is not None,
        not_texts=not_texts,
        truth=truth,
    )
