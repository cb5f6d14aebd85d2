r"""Label every tweet of a table with a trained classifier, in parallel.

The sample tweets of the checkout, after jobs/train.py:

    ./spark-submit.sh jobs/score.py

Texts, or the output of jobs/embed.py without running BERT again:

    ./spark-submit.sh jobs/score.py --artefact artefact --input tweets.csv --text-column content --output scores
    ./spark-submit.sh jobs/score.py --artefact artefact --input ./embeddings --output scores

Several classifiers of one encoder, running BERT once:

    ./spark-submit.sh jobs/score.py --artefact models/emotion --artefact models/topic --input tweets.csv --output scores

Every night, one day or the files that are new:

    ./spark-submit.sh jobs/score.py --artefact artefact --input all --output daily \
        --date-column day --run-date 2026-11-24
    ./spark-submit.sh jobs/score.py --artefact artefact --input tweets --incremental --checkpoint seen --output scores
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def score(argv: list[str] | None = None) -> None:
    """Read the settings, load the artefacts, check the executors, label the texts, and write the table."""
    job = cli.read_job(__file__, __doc__, argv)
    group = cli.load_group(job.score.artefact)
    with cli.spark_session("bert_spark score", job.spark, cli.task_imports(job)) as spark:
        if cli.run_preflight(spark, group.encoder, artefacts=group, check_only=job.check):
            cli.run_table_job(spark, cli.score_task(spark, job, group), job)


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(score, argv)


if __name__ == "__main__":
    sys.exit(main())
