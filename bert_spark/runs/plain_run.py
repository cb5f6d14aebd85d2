"""Run a task without a schedule: read, add columns, write and count, in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bert_spark.errors import DataError
from bert_spark.runs.progress import show_progress
from bert_spark.runs.replaced_output import finish_killed_replacement, replaced_output
from bert_spark.runs.run_record import RunRecord, save_record
from bert_spark.runs.sized_output import write_sized_output
from bert_spark.runs.summary import run_summary
from bert_spark.runs.task import Task
from bert_spark.spark.local_workers import local_cores
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.output_checks import check_output_free
from bert_spark.tables.outputs import read_output
from bert_spark.tables.recorded_models import recorded_owner
from bert_spark.tables.schema import drop_hidden

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def run_plain(spark: SparkSession, task: Task) -> str:
    """Run the task, write its record and return the summary.

    Raises
    ------
    DataError
        If the output already exists, or the number of rows out differs from the number of records in.
    FingerprintError
        If rows are to be appended to the output of another model, or of one that nothing names.
    """
    tweets = task.read(spark)
    task = task.for_input(tweets)
    finish_killed_replacement(spark, task.output)
    check_output_free(spark, task.output, tweets, task.identity, partial(recorded_owner, spark, task.output, None))
    task.check_truth(tweets)
    record = task.record()
    counted = record.count_input(tweets, task.source.text_column)
    result = task.apply(counted, task.source.partition_mb, cores=local_cores(spark))
    with replaced_output(spark, task.output) as target:
        with show_progress(spark, task.job):
            finish = partial(_counted, record=record, task=task, target=target)
            write_sized_output(result, task.output, target, lambda rows: drop_hidden(finish(rows)))
        content = record.finish()
        if task.truth is not None:
            content |= task.compared(read_output(spark, target))
        _check_row_counts(content, task.output, replaces=target != task.output)
    return run_summary(content, save_record(spark, content, task.output.format))


def _counted(rows: DataFrame, record: RunRecord, task: Task, target: OutputConfig) -> DataFrame:
    """Return rows that are counted as they are written. If Spark counts some twice, the written rows are read."""

    def count_written() -> dict[str, Any]:
        if target.if_exists == "append":  # the rows that were there before cannot be told apart
            return {}
        written = read_output(rows.sparkSession, target)
        return dict(written.agg(*task.output_counts(visible_only=True)).collect()[0].asDict())

    return record.observe(rows, task.output_counts(), count_written)


def _check_row_counts(content: Mapping[str, Any], output: OutputConfig, *, replaces: bool) -> None:
    """Raise DataError if the number of rows out differs from the number of records in."""
    rows_in, rows_out = content["rows_in"], content["rows_out"]
    if rows_in == rows_out:
        return
    state = "It is unchanged" if replaces else "Do not use it"
    raise DataError(
        f"{rows_in} records went in and {rows_out} rows came out for output {output.path!r}. {state}; check that the "
        "input does not change during a run, and run again with --overwrite"
    )
