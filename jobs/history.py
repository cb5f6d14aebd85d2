"""Show the last runs into an output as a table: when, what, how many rows, how they ended. Needs no Spark.

./spark-submit.sh exec python jobs/history.py --output scores
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a plain run of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.cli import parse, required, run
from bert_spark.files import Folder
from bert_spark.records import RECORDS, records_of, table
from bert_spark.scheduleconf import HistoryConfig

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"


def history(argv: list[str] | None = None) -> None:
    """Find the records, print the table."""
    job = parse(__doc__ or "", {"history": HistoryConfig}, LOCAL, argv)
    output = required(job.history.output, "--output").rstrip("/")
    base = job.history.work or (output.rpartition("/")[0] or ("/" if output.startswith("/") else "."))
    print(table(records_of(Folder(base) / RECORDS, output)[: job.history.last]))


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run(lambda: history(argv))


if __name__ == "__main__":
    sys.exit(main())
