"""Train a classifier on BERT embeddings of labelled tweets, and judge it on tweets it has not seen.

./spark-submit.sh jobs/train.py
./spark-submit.sh jobs/train.py --input tweets.csv --text-column content --label-column sentiment --output artefact
./spark-submit.sh jobs/train.py --embeddings embeddings --text-column content --label-column sentiment --output artefact
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.cli import check_training, load_training_data, parse_job, run_job, train_and_save


def train(argv: list[str] | None = None) -> None:
    """Parse the settings, embed and collect the rows, fit, judge, and save the artefact."""
    job = parse_job(__file__, __doc__, argv)
    check_training(job)
    data = load_training_data(job)
    if data is not None:  # None with --check
        print(train_and_save(job, data))


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(train, argv)


if __name__ == "__main__":
    sys.exit(main())
