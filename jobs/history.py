"""Show the last runs into an output as a table: when, what, how many rows, how they ended. Needs no Spark.

./spark-submit.sh exec python jobs/history.py --output scores
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a plain run of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.cli.command_line import parse_job, required_option, run_job
from bert_spark.runs.config import HistoryConfig
from bert_spark.runs.run_history import RECORDS_FOLDER, history_table, records_of_output
from bert_spark.tables.storage import Folder

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"


def history(argv: list[str] | None = None) -> None:
    """Find the records, print the table."""
    job = parse_job(__doc__ or "", {"history": HistoryConfig}, LOCAL, argv)
    output = required_option(job.history.output, "--output").rstrip("/")
    base = job.history.work or (output.rpartition("/")[0] or ("/" if output.startswith("/") else "."))
    print(history_table(records_of_output(Folder(base) / RECORDS_FOLDER, output)[: job.history.last]))


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(lambda: history(argv))


if __name__ == "__main__":
    sys.exit(main())
