"""Hold what the steps of one scheduled run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.output_lock import OutputLock
from bert_spark.runs.staging_area import StagingArea
from bert_spark.runs.task import Task

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class ScheduledRun:
    """One run by day or incremental run, while it holds the lock.

    Parameters
    ----------
    spark
        The session.
    task
        What is added to the rows, from which input to which output.
    schedule
        Which days, or which checkpoint.
    limits
        The limits of the audit.
    area
        Where rows are staged and records are written.
    lock
        The locks of the output; checked before a partition is replaced.
    """

    spark: SparkSession
    task: Task
    schedule: ScheduleConfig
    limits: LimitsConfig
    area: StagingArea
    lock: OutputLock
