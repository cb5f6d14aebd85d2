"""Run a task as its settings ask: plain, by day, incremental, or with --sync. Encodes and publishes nothing itself."""

from __future__ import annotations

import dataclasses
import functools
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from bert_spark.errors import LimitError
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.daily import publish_days
from bert_spark.runs.day_filter import DAY_PARTITION
from bert_spark.runs.incremental import BATCH_PARTITION, publish_new
from bert_spark.runs.output_lock import locked_output
from bert_spark.runs.plain_run import run_plain
from bert_spark.runs.quality_limits import check_label_shift_known
from bert_spark.runs.retention import remove_old
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.settings_checks import check_schedule
from bert_spark.runs.staging_area import StagingArea, staging_area_for
from bert_spark.runs.summary import COMPARED_RUNS, run_summary
from bert_spark.runs.sync import publish_in_step
from bert_spark.runs.task import Task
from bert_spark.tables.output_checks import check_output_path
from bert_spark.tables.output_partitions import check_partition_column
from bert_spark.tables.output_versions import matching_version
from bert_spark.tables.recorded_models import recorded_owner
from bert_spark.tables.stored_vectors import small_batches

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def run_task(spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig) -> str:
    """Run a task and return its summary, for the job to print.

    Raises
    ------
    BertSparkError
        Before any work, if settings contradict each other or the output belongs to another kind of run or another
        model. After the work, if the result is outside the limits.
    """
    with small_batches(spark) if task.reads_vectors or task.join_known is not None else nullcontext():
        return _run(spark, task, schedule, limits)


def _run(spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig) -> str:
    """Run a task as `run_task` does, with the session's settings as they are."""
    check_output_path(spark, task.output, task.source)
    if not schedule.is_scheduled:
        return run_plain(spark, task)
    check_schedule(task.source, task.output, schedule)
    check_label_shift_known(limits, task.trained_label_shares)
    owner = functools.partial(recorded_owner, spark, work=schedule.work)
    output = matching_version(spark, task.output, task.identity, owner, new=schedule.new_version)
    if not schedule.sync:
        check_partition_column(spark, output, BATCH_PARTITION if schedule.incremental else DAY_PARTITION)
    task = dataclasses.replace(task, output=output)
    area = staging_area_for(spark, output, schedule.work)
    with locked_output(spark, output, area, f"{task.job} {output.path}") as lock:
        return _publish_and_summarise(ScheduledRun(spark, task, schedule, limits, area, lock))


def _publish_and_summarise(run: ScheduledRun) -> str:
    """Publish what the schedule asks for. Leave a record also of a run that fails or has nothing to do."""
    task, area = run.task, run.area
    publish = publish_in_step if run.schedule.sync else publish_new if run.schedule.incremental else publish_days
    earlier = area.records_with_status(task.job, "published", COMPARED_RUNS)
    try:
        records = publish(run)
    except LimitError:  # the audit has saved the record
        refused = area.records_with_status(task.job, "refused", 1)
        if refused:
            logger.warning("%s", run_summary(refused[0], area.record_path(refused[0]), earlier))
        raise
    except Exception as err:
        _save_record_without_rows(
            area, task, "failed", exit_code=getattr(err, "exit_code", 1), error=type(err).__name__
        )
        raise
    remove_old(run.spark, area, run.schedule.keep_days)
    if not records:
        _save_record_without_rows(area, task, "nothing to do")
        return f"{task.job}: nothing to do, {task.output.path} is unchanged"
    return "\n".join(run_summary(record, area.record_path(record), earlier) for record in records)


def _save_record_without_rows(area: StagingArea, task: Task, status: str, **facts: Any) -> None:
    """Write a record of a run without rows, for schedulers that do not show its exit code."""
    try:
        area.save_record(task.record(status=status, **facts).content)
    except Exception as err:  # from any storage; it must not hide the error that ended the run
        logger.warning("could not write the run's record to %s: %s", area.records.uri, err)
