"""Run a task the way its settings ask for: once and plainly, or staged, audited and published."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from bert_spark.daily import check_days, publish_days
from bert_spark.days import PARTITION as DAY
from bert_spark.errors import LimitError
from bert_spark.incremental import PARTITION as BATCH
from bert_spark.incremental import publish_new
from bert_spark.limits import check_known
from bert_spark.lock import held
from bert_spark.scheduleconf import LimitsConfig, ScheduleConfig
from bert_spark.sinks import check_given, check_partition, version_for
from bert_spark.staging import Yard, yard_of
from bert_spark.summaries import LAST, summary
from bert_spark.tasks import Task, run_once

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def deliver(spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig) -> str:
    """Run a task and return what to print of it.

    Raises
    ------
    BertSparkError
        Before any work, for settings that don't fit together or an output of another kind or model; after it, for a
        result outside the limits.
    """
    if not schedule.on:
        return run_once(spark, task)
    check_given(task.output, task.source)
    check_days(task, schedule)
    check_known(limits, task.trained)
    output = version_for(spark, task.output, task.identity, new=schedule.new_version)
    check_partition(spark, output, BATCH if schedule.incremental else DAY)
    task = dataclasses.replace(task, output=output)
    yard = yard_of(spark, output, schedule.work)
    publish = publish_new if schedule.incremental else publish_days
    with held(yard.base / "_locks", f"{yard.name}.json", f"{task.job} {output.path}") as lock:
        before = yard.kept(task.job, "published")[:LAST]
        try:
            records = publish(spark, task, schedule, limits, yard, lock)
        except LimitError:  # its record is kept where it is judged
            refused = yard.kept(task.job, "refused")
            if refused:
                logger.warning("%s", summary(refused[0], yard.place(refused[0]), before))
            raise
        except Exception as err:
            _keep(yard, task, "failed", exit_code=getattr(err, "exit_code", 1), error=type(err).__name__)
            raise
        if not records:
            _keep(yard, task, "nothing to do")
    told = [summary(record, yard.place(record), before) for record in records]
    return "\n".join(told) or f"{task.job}: nothing to do, {output.path} is as it was"


def _keep(yard: Yard, task: Task, status: str, **facts: Any) -> None:
    """Leave a record of a run without rows: for whoever looks where no exit code is to be seen."""
    try:
        yard.keep(task.record(status=status, **facts).content)
    except Exception as err:  # of any storage; it must not hide what the run ended with
        logger.warning("no record could be left at %s: %s", yard.records.uri, err)
