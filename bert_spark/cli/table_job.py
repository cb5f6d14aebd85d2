"""The last step of the jobs that write a table: run the task or estimate it, and print the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bert_spark.runs.dispatch import run_task
from bert_spark.runs.estimate import estimate_run
from bert_spark.runs.summary import show_output

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.runs.task import Task
    from bert_spark.settings import JobSettings


def run_table_job(spark: SparkSession, task: Task, job: JobSettings) -> None:
    """Run the task, or estimate it with `--estimate`, and print the summary.

    A plain run also prints the first rows of its output. A scheduled run does not: its log must hold no text of the
    data.
    """
    if job.schedule.estimate:
        print(estimate_run(spark, task, job.schedule.estimate, job.schedule.work))
        return
    print(run_task(spark, task, job.schedule, job.limits))
    if not job.schedule.is_scheduled:
        show_output(spark, task.output)
