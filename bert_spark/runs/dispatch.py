"""Run a task the way its settings ask for: plain, by day, or incremental."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from bert_spark.errors import LimitError
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.daily import check_day_settings, publish_days
from bert_spark.runs.day_filter import DAY_PARTITION as DAY
from bert_spark.runs.incremental import BATCH_PARTITION as BATCH
from bert_spark.runs.incremental import publish_new
from bert_spark.runs.lock import acquired
from bert_spark.runs.plain_run import run_plain
from bert_spark.runs.quality_limits import check_label_shift_known
from bert_spark.runs.staging_area import StagingArea, staging_area_for
from bert_spark.runs.summary import COMPARED_RUNS, run_summary
from bert_spark.runs.task import Task
from bert_spark.tables.output_checks import check_output_path
from bert_spark.tables.output_versions import matching_version
from bert_spark.tables.partitions import check_partition_column

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def run_task(spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig) -> str:
    """Run a task and return what to print of it.

    Raises
    ------
    BertSparkError
        Before any work, for settings that don't fit together or an output of another kind or model; after it, for a
        result outside the limits.
    """
    if not schedule.is_scheduled:
        return run_plain(spark, task)
    check_output_path(task.output, task.source)
    check_day_settings(task, schedule)
    check_label_shift_known(limits, task.trained_label_shares)
    output = matching_version(spark, task.output, task.identity, new=schedule.new_version)
    check_partition_column(spark, output, BATCH if schedule.incremental else DAY)
    task = dataclasses.replace(task, output=output)
    area = staging_area_for(spark, output, schedule.work)
    publish = publish_new if schedule.incremental else publish_days
    with acquired(area.base / "_locks", f"{area.name}.json", f"{task.job} {output.path}") as lock:
        before = area.records_with_status(task.job, "published")[:COMPARED_RUNS]
        try:
            records = publish(spark, task, schedule, limits, area, lock)
        except LimitError:  # its record is kept where it is judged
            refused = area.records_with_status(task.job, "refused")
            if refused:
                logger.warning("%s", run_summary(refused[0], area.record_path(refused[0]), before))
            raise
        except Exception as err:
            _save_failure(area, task, "failed", exit_code=getattr(err, "exit_code", 1), error=type(err).__name__)
            raise
        if not records:
            _save_failure(area, task, "nothing to do")
    told = [run_summary(record, area.record_path(record), before) for record in records]
    return "\n".join(told) or f"{task.job}: nothing to do, {output.path} is as it was"


def _save_failure(area: StagingArea, task: Task, status: str, **facts: Any) -> None:
    """Leave a record of a run without rows: for whoever looks where no exit code is to be seen."""
    try:
        area.save_record(task.record(status=status, **facts).content)
    except Exception as err:  # of any storage; it must not hide what the run ended with
        logger.warning("no record could be left at %s: %s", area.records.uri, err)
