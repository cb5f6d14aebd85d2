"""Hold what the steps of one scheduled run share, and refuse settings that a scheduled run cannot have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bert_spark.errors import ConfigError
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.day_filter import has_path_per_day
from bert_spark.runs.output_lock import OutputLock
from bert_spark.runs.staging_area import StagingArea
from bert_spark.runs.task import Task
from bert_spark.tables.config import DATE_PLACEHOLDER

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


def check_schedule(task: Task, schedule: ScheduleConfig) -> None:
    """Refuse settings of plain runs, and a range of days in which every day would get the whole input.

    Raises
    ------
    ConfigError
        If `--append` or `--overwrite` is set, or a range of days has neither a date column nor a path per day.
    """
    if task.output.if_exists != "error":
        raise ConfigError(
            f"got if_exists={task.output.if_exists!r} with a scheduled run, which always replaces its own partition "
            f"and no other; leave out --{task.output.if_exists}"
        )
    if schedule.from_date and schedule.date_column is None and not has_path_per_day(task.source):
        raise ConfigError(
            f"--from and --to would publish all of {task.source.path!r} for each day; set --date-column, or put "
            f"{DATE_PLACEHOLDER} into --input"
        )
