"""Show the last runs that wrote an output as a table: when, what, how many rows, how they ended. Starts no Spark.

./spark-submit.sh exec python jobs/history.py --output scores
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli


def history(argv: list[str] | None = None) -> None:
    """Read the settings, find the records of the runs, and print them as a table."""
    job = cli.read_job(__file__, __doc__, argv)
    print(cli.history_of_output(job.history.output, job.history.work, job.history.last))


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(history, argv)


if __name__ == "__main__":
    sys.exit(main())
