"""Add a BERT embedding to every tweet of a table.

Run it from a checkout, on the project's sample tweets:

    ./spark-submit.sh jobs/embed.py

or on a table of your own:

    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings

or every night, on the files that are new:

    ./spark-submit.sh jobs/embed.py --input tweets/ --format json --output vectors --incremental --checkpoint seen
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.cli.command_line import parse_job, run_job
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import ConfigError
from bert_spark.runs.config import EmbedConfig, LimitsConfig, ScheduleConfig
from bert_spark.runs.dispatch import run_task
from bert_spark.runs.estimate import estimate_run
from bert_spark.runs.staging_area import qualified_path
from bert_spark.runs.summary import show_output
from bert_spark.runs.task import Task
from bert_spark.settings import JobSettings
from bert_spark.spark.preflight import run_preflight
from bert_spark.spark.session import spark_session
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.outputs import read_output
from bert_spark.tables.ownership import table_properties
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.vector_reuse import check_reusable, join_known_vectors, merge_known_vectors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {
    "input": InputConfig,
    "encoder": EncoderConfig,
    "output": OutputConfig,
    "embed": EmbedConfig,
    "schedule": ScheduleConfig,
    "limits": LimitsConfig,
}


def embed(argv: list[str] | None = None) -> None:
    """Parse, make ready, embed, deliver."""
    job = parse_job(__doc__ or "", SECTIONS, LOCAL, argv)
    task = embedding(job)
    with spark_session("bert_spark embed", job.spark) as spark:
        if not run_preflight(spark, job.encoder, check_only=job.check):
            return
        if job.embed.reuse is not None:
            task = reusing(task, spark, job)
        if job.schedule.estimate:
            print(estimate_run(spark, task, job.schedule.estimate, job.schedule.work))
        else:
            print(run_task(spark, task, job.schedule, job.limits))
            if not job.schedule.on:  # a scheduled run puts no text of the data into its log
                show_output(spark, job.output)


def embedding(job: JobSettings) -> Task:
    """Return what this job does to a table."""
    fingerprint = config_fingerprint(job.encoder)
    counted = counted_diagnostics(shown=job.output.diagnostics)
    names = {"embedding_column": job.embed.embedding_column, "error_column": job.output.error_column}
    add = with_embedding(job.encoder, text_column=job.input.text_column, **names, diagnostics=counted)
    identity = {FINGERPRINT_KEY: fingerprint}
    facts = {"embed": dataclasses.asdict(job.embed)}
    return Task("embed", job.encoder, fingerprint, identity, job.input, job.output, add, counted, facts=facts)


def reusing(task: Task, spark: SparkSession, job: JobSettings) -> Task:
    """Return the task with the vectors that an earlier output holds put beside the texts."""
    names, reuse = (job.input.text_column, job.embed.embedding_column), str(job.embed.reuse)
    if job.output.if_exists == "overwrite" and not job.schedule.on:
        taken, removed = (f"{qualified_path(spark, str(path)).rstrip('/')}/" for path in (reuse, job.output.path))
        if taken.startswith(removed):
            raise ConfigError(
                f"got --reuse {reuse!r} with --overwrite of --output {job.output.path!r}, which is removed before its "
                "vectors are read; pass another --output"
            )
    before = dataclasses.replace(job.output, path=reuse)
    earlier = read_output(spark, before)
    check_reusable(earlier, reuse, *names, task.fingerprint, table_properties(spark, before))
    if job.schedule.incremental:
        raise ConfigError("got --reuse with --incremental; what is new is not looked up: leave one out")
    add = merge_known_vectors(task.add, *names, job.output.error_column, task.counted["reused"])
    return dataclasses.replace(task, before=join_known_vectors(earlier, *names), add=add)


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(lambda: embed(argv))


if __name__ == "__main__":
    sys.exit(main())
