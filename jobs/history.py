"""Show the last runs that wrote an output as a table: when, what, how many rows, how they ended.

./spark-submit.sh exec python jobs/history.py --output scores

`--staged` shows what runs have staged and not published. `--publish RUN` publishes it as it is, and `--discard RUN`
gives it up. Only `--publish` starts Spark, and `--discard` of rows on a branch of an Iceberg table.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # run as a file, from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark import cli

if TYPE_CHECKING:
    from bert_spark.settings import JobSettings


def history(argv: list[str] | None = None) -> None:
    """Read the settings, and show the runs of an output or settle what one of them has staged."""
    job = cli.read_job(__file__, __doc__, argv)
    output = job.required("history.output", "--output")
    wanted = job.history
    if wanted.staged or wanted.publish or wanted.discard:
        print(_settled(job, output))
    else:
        print(cli.history_of_output(output, wanted.work, wanted.last))


def _settled(job: JobSettings, output: str) -> str:
    """Show, publish or discard what is staged."""
    wanted = job.history
    session = functools.partial(cli.spark_session, "history", job.spark)
    if wanted.staged:
        return cli.staged_table(output, wanted.work)
    if wanted.discard:
        return cli.discard_staged(output, wanted.work, wanted.discard, session)
    with session() as spark:
        return cli.publish_staged(spark, output, wanted.work, wanted.publish)


def main(argv: list[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return cli.run_job(history, argv)


if __name__ == "__main__":
    sys.exit(main())
