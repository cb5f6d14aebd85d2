"""Add a BERT embedding to every tweet of a table.

The sample tweets of the checkout:

    ./spark-submit.sh jobs/embed.py

A table of your own:

    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings

Every night, the files that are new:

    ./spark-submit.sh jobs/embed.py --input tweets/ --format json --output vectors --incremental --checkpoint seen

Or the rows that are new, have changed or are gone:

    ./spark-submit.sh jobs/embed.py --input tweets.parquet --id-column id --output vectors --sync
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def embed(argv: list[str] | None = None) -> None:
    """Read the settings, check the executors, embed the texts, and write the table."""
    job = cli.read_job(__file__, __doc__, argv)
    task = cli.embed_task(job)
    with cli.spark_session("bert_spark embed", job.spark, cli.task_imports(job)) as spark:
        if cli.run_preflight(spark, task.config, check_only=job.check):
            cli.run_table_job(spark, cli.with_reused_vectors(spark, task, job), job)


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(embed, argv)


if __name__ == "__main__":
    sys.exit(main())
