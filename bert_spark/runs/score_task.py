"""Turn the settings of jobs/score.py and an artefact into its task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bert_spark.runs.recorded_model import known_vectors
from bert_spark.runs.task import Task
from bert_spark.settings import settings_of
from bert_spark.spark.transforms import with_score
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY

if TYPE_CHECKING:
    from bert_spark.artefact.artefact import Artefact
    from bert_spark.settings import JobSettings

_NEWER = {"trust_vectors", "label_column", "margin_column", "scores_column"}


def score_task(job: JobSettings, artefact: Artefact) -> Task:
    """Return the task that adds the artefact's labels to the input. It needs a running Spark session."""
    runs_bert = artefact.uses_bert and not job.score.embedding_column
    diagnostics = counted_diagnostics(shown=job.scores.diagnostics) if runs_bert else {}
    transform = with_score(
        artefact.path,
        text_column=job.input.text_column,
        embedding_column=job.score.embedding_column,
        error_column=job.scores.error_column,
        scores=job.score.scores,
        keep_embedding=job.score.keep_embedding,
        diagnostics=diagnostics,
        min_probability=job.score.min_probability,
        label_column=job.score.label_column,
        margin_column=job.score.margin_column,
        scores_column=job.score.scores_column,
    )
    reads_vectors = job.score.embedding_column is not None
    check = None
    if reads_vectors and not job.score.trust_vectors:
        check = known_vectors(job.input, job.score.embedding_column, artefact.fingerprint)
    return Task(
        "score",
        artefact.config,
        artefact.fingerprint,
        {FINGERPRINT_KEY: artefact.fingerprint, ARTEFACT_KEY: artefact.digest},
        job.input,
        job.scores,
        transform if check is None else lambda rows: transform(check(rows)),
        diagnostics,
        labels=artefact.labels.tolist(),
        label_column=job.score.label_column,
        trained_label_shares=artefact.metadata.get("label_shares", {}),
        facts={
            "artefact": artefact.path,
            "artefact_digest": artefact.digest,
            "score": settings_of(job.score, newer=_NEWER),
        },
        reads_vectors=reads_vectors,
    )
