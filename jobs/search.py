"""Search a small grid of settings by cross-validation on the training split, and evaluate the best on held-out rows.

    ./spark-submit.sh jobs/search.py --input tweets.csv --text-column content --label-column sentiment --output search
    ./spark-submit.sh jobs/search.py --input tweets.csv ... --features bert+tfidf --c 0.003,0.01 --output search

Then train with the best settings:

    ./spark-submit.sh jobs/train.py --config search/best.toml --output artefact
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def search(argv: list[str] | None = None) -> None:
    """Read the settings, embed once for all poolings, search the grid, evaluate the best, and save the result."""
    job = cli.read_job(__file__, __doc__, argv)
    cli.check_search(job)
    data = cli.load_training_data(job, cli.encoder_of_search(job))
    if data is not None:  # with --check it is None
        print(cli.search_and_save(job, data))


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(search, argv)


if __name__ == "__main__":
    sys.exit(main())
