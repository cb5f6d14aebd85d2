r"""Train a classifier on BERT embeddings of labelled tweets, and evaluate it on held-out tweets.

The sample tweets of the checkout:

    ./spark-submit.sh jobs/train.py

Texts, or the output of jobs/embed.py without running BERT again:

    ./spark-submit.sh jobs/train.py --input tweets.csv --text-column content --label-column sentiment --output artefact
    ./spark-submit.sh jobs/train.py --input ./embeddings --label-column sentiment --output artefact
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def train(argv: list[str] | None = None) -> None:
    """Read the settings, embed and collect the rows, fit, evaluate, and save the artefact."""
    job = cli.read_job(__file__, __doc__, argv)
    cli.check_training(job)
    data = cli.load_training_data(job)
    if data is None:  # with --check
        return
    result = cli.train_and_save(job, data)
    print(result.summary())
    if job.train.mlflow:
        print(f"mlflow:   {result.log_to_mlflow()}")


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(train, argv)


if __name__ == "__main__":
    sys.exit(main())
