"""Give every tweet of a table the label of a trained classifier, in parallel.

./spark-submit.sh jobs/score.py
./spark-submit.sh jobs/score.py --artefact artefact --input tweets.csv --text-column content --output scores
./spark-submit.sh jobs/score.py --artefact artefact --input embeddings --embedding-column embedding --output scores

and every night, for one day, or for what is new:

./spark-submit.sh jobs/score.py --artefact artefact --input all --date-column day --output daily --run-date 2026-11-24
./spark-submit.sh jobs/score.py --artefact artefact --input tweets --incremental --checkpoint seen --output scores
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.artefact.artefact import Artefact
from bert_spark.artefact.loading import load_artefact
from bert_spark.cli.command_line import parse_job, required_option, run_job
from bert_spark.runs.config import LimitsConfig, ScheduleConfig, ScoreConfig
from bert_spark.runs.dispatch import run_task
from bert_spark.runs.estimate import estimate_run
from bert_spark.runs.summary import show_output
from bert_spark.runs.task import Task
from bert_spark.settings import JobSettings
from bert_spark.spark.preflight import run_preflight
from bert_spark.spark.session import spark_session
from bert_spark.spark.transforms import with_score
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {
    "input": InputConfig,
    "scores": OutputConfig,
    "score": ScoreConfig,
    "schedule": ScheduleConfig,
    "limits": LimitsConfig,
}


def score(argv: list[str] | None = None) -> None:
    """Parse, make ready, score, deliver."""
    job = parse_job(__doc__ or "", SECTIONS, LOCAL, argv)
    artefact = load_artefact(required_option(job.score.artefact, "--artefact"))
    with spark_session("bert_spark score", job.spark) as spark:
        encoder = artefact.config if artefact.uses_bert else None
        if run_preflight(spark, encoder, artefact=artefact, check_only=job.check):
            task = scoring(job, artefact)
            if job.schedule.estimate:
                print(estimate_run(spark, task, job.schedule.estimate, job.schedule.work))
                return
            print(run_task(spark, task, job.schedule, job.limits))
            if not job.schedule.on:  # a scheduled run puts no text of the data into its log
                show_output(spark, job.scores)


def scoring(job: JobSettings, artefact: Artefact) -> Task:
    """Return what this job does to a table."""
    no_bert = job.score.embedding_column or not artefact.uses_bert
    counted = {} if no_bert else counted_diagnostics(shown=job.scores.diagnostics)
    add = with_score(
        artefact.path,
        text_column=job.input.text_column,
        embedding_column=job.score.embedding_column,
        error_column=job.scores.error_column,
        scores=job.score.scores,
        keep_embedding=job.score.keep_embedding,
        diagnostics=counted,
        min_probability=job.score.min_probability,
    )
    identity = {FINGERPRINT_KEY: artefact.fingerprint, ARTEFACT_KEY: artefact.digest}
    learnt = {"labels": artefact.labels.tolist(), "trained": artefact.metadata.get("label_shares", {})}
    facts = {"artefact": artefact.path, "artefact_digest": artefact.digest, "score": dataclasses.asdict(job.score)}
    places = (job.input, job.scores, add, counted)
    return Task("score", artefact.config, artefact.fingerprint, identity, *places, **learnt, facts=facts)


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(lambda: score(argv))


if __name__ == "__main__":
    sys.exit(main())
