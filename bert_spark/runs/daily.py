"""Publish a job's result by days: each day is one partition, and running a day again gives the same table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, EmptyInputError, NoInputError
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.day_filter import DAY_PARTITION, is_complete_folder, records_of_day
from bert_spark.runs.lock import Lock
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.staging_area import StagedRun, StagingArea
from bert_spark.runs.task import Task
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import input_signature
from bert_spark.tables.outputs import output_is_empty, path_exists, read_output
from bert_spark.tables.readers import read_input
from bert_spark.tables.row_counts import ZERO_COUNTS
from bert_spark.tables.schema import check_columns_free

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

_DATE_PLACEHOLDER = "{run_date}"
_BACKFILL_FILE = "backfill.json"


def publish_days(
    spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig, area: StagingArea, lock: Lock
) -> list[dict[str, Any]]:
    """Publish the days that are asked for, one after the other, after what an earlier run has left; return the records.

    A range of days that was cut short goes on with the first day that is not published.

    Raises
    ------
    NoInputError
        When a day has no input and some is required.
    LimitError
        When a day is outside the limits; the days before it are published.
    """
    finished = recover_staged_days(spark, task, area, lock)
    asked = {"days": schedule.days, "rows": _digest(_run_identity(spark, task, schedule))}
    done = _days_done(area, asked) if path_exists(spark, str(task.output.path), task.output.format) else []
    records = []
    for day in schedule.days:
        if day in done:
            logger.info("%s is published already by the run that this one continues", day)
            continue
        record = _publish_day(spark, task, schedule, limits, area, lock, day, finished)
        if record is None:
            if schedule.require_input:
                raise NoInputError(f"no input for {day} ({_day_input(task.source, day).path}); the table is as it was")
            logger.warning("no input for %s: nothing to do, its partition stays as it is", day)
        else:
            records.append(record)
        done.append(day)
        if len(schedule.days) > 1:
            area.staging.write(_BACKFILL_FILE, json.dumps(asked | {"done": done}))
    if len(schedule.days) > 1:
        area.staging.remove(_BACKFILL_FILE)
    return records


def recover_staged_days(spark: SparkSession, task: Task, area: StagingArea, lock: Lock) -> dict[str, dict[str, Any]]:
    """Make good what killed runs have left: publish rows that are complete, remove others; return key -> record.

    Rows that the limits have refused stay, until their day is run again.

    Raises
    ------
    FingerprintError
        When complete rows are of another model than this run's.
    """
    finished = {}
    for name in area.staging.names():
        if not name.startswith("day-"):
            continue
        stage = StagedRun(area.staging / name)
        state = stage.state
        if state is None or stage.is_half_removed:
            logger.warning("removing what a killed run left unfinished: %s", stage.folder.uri)
            stage.remove()
        elif state["status"] != "refused":
            check_same_model(stage, task)
            logger.warning("publishing what run %s had staged when it ended", state["record"]["run_id"])
            finished[state["key"]] = audit_and_publish(spark, area, lock, stage)
    return finished


def _publish_day(
    spark: SparkSession,
    task: Task,
    schedule: ScheduleConfig,
    limits: LimitsConfig,
    area: StagingArea,
    lock: Lock,
    day: str,
    finished: dict[str, dict[str, Any]],
) -> dict[str, Any] | None:
    source = _day_input(task.source, day)
    kind = input_format(source)
    if _DATE_PLACEHOLDER in str(task.source.path) and not path_exists(spark, str(source.path), kind):
        return None
    try:
        tweets = read_input(spark, source)
    except EmptyInputError as err:
        if not is_complete_folder(spark, str(source.path)):
            raise
        logger.warning("%s", err)
        empty = None if schedule.require_input else _stage_empty_day(spark, task, limits, area, day)
        return audit_and_publish(spark, area, lock, empty, limits) if empty else None
    check_columns_free(tweets, [] if schedule.date_column == DAY_PARTITION else [DAY_PARTITION])
    signature = input_signature(tweets) or uuid.uuid4().hex  # of an input that can't be known, never the same
    key = _digest(_run_identity(spark, task, schedule) | {"path": source.path, "day": day, "signature": signature})
    if key in finished:
        return finished[key]
    stage = _refused_stage(area, day, key)
    if stage is None:
        stage = _encode_day(spark, task, schedule, limits, area, tweets, day, key)
    return audit_and_publish(spark, area, lock, stage, limits)


def _day_input(source: InputConfig, day: str) -> InputConfig:
    return dataclasses.replace(source, path=str(source.path).replace(_DATE_PLACEHOLDER, day))


def _run_identity(spark: SparkSession, task: Task, schedule: ScheduleConfig) -> dict[str, Any]:
    """Return all that decides which rows come out of an input: runs that agree in it would stage the same."""
    return {
        "identity": dict(task.identity),
        "encoder": task.config.settings(),
        "source": dataclasses.asdict(task.source),
        "output": dataclasses.asdict(task.output),
        "facts": dict(task.facts),
        "date_column": schedule.date_column,
        "time_zone": _session_time_zone(spark),
    }


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _session_time_zone(spark: SparkSession) -> str | None:
    """Return the zone in which timestamps become days."""
    return spark.conf.get("spark.sql.session.timeZone")


def _refused_stage(area: StagingArea, day: str, key: str) -> StagedRun | None:
    """Return the rows of this very input that limits have refused; remove older ones of the day."""
    found = None
    for name in area.staging.names():
        if not name.startswith("day-"):
            continue
        stage = StagedRun(area.staging / name)
        state = stage.state or {}
        if state.get("key") == key:
            found = stage
        elif state.get("partitions") == [f"{DAY_PARTITION}={day}"]:
            stage.remove()
    return found


def _encode_day(
    spark: SparkSession,
    task: Task,
    schedule: ScheduleConfig,
    limits: LimitsConfig,
    area: StagingArea,
    tweets: DataFrame,
    day: str,
    key: str,
) -> StagedRun:
    partition = f"{DAY_PARTITION}={day}"
    zone = {} if schedule.date_column is None else {"time_zone": _session_time_zone(spark)}
    record = task.record(input=task.source.path, partition=partition, **zone)
    stage = StagedRun(area.staging / f"day-{record.content['run_id']}")
    counted = record.count_input(records_of_day(record, tweets, schedule.date_column, day), task.source.text_column)
    result = task.apply(counted, task.source.partition_mb)
    with show_progress(spark, f"{task.job} {day}"):
        result.write.mode("overwrite").parquet(stage.path(partition))
    counts = stage.rows(spark, [partition]).agg(*task.output_counts()).first()
    content = task.with_label_shift(record.finish(counts.asDict() if counts else {}))
    if schedule.require_input and not content["rows_out"]:
        stage.remove()
        raise NoInputError(f"the input of {day} holds no records; the table is as it was")
    mark_staged(stage, task, [partition], content, limits, key)
    return stage


def _stage_empty_day(
    spark: SparkSession, task: Task, limits: LimitsConfig, area: StagingArea, day: str
) -> StagedRun | None:
    """Stage a day without rows, of the columns that the output has; None where there is no output to say them."""
    if output_is_empty(spark, task.output):
        return None
    partition = f"{DAY_PARTITION}={day}"
    record = task.record(partition=partition)
    stage = StagedRun(area.staging / f"day-{record.content['run_id']}")
    read_output(spark, task.output).drop(DAY_PARTITION).limit(0).write.mode("overwrite").parquet(stage.path(partition))
    mark_staged(stage, task, [partition], task.with_label_shift(record.finish(ZERO_COUNTS)), limits)
    return stage


def check_day_settings(task: Task, schedule: ScheduleConfig) -> None:
    """Refuse a range of days that would each be given the whole input, and settings of plain runs."""
    if task.output.if_exists != "error":
        raise ConfigError(
            f"got if_exists={task.output.if_exists!r} with a scheduled run, which replaces its own partition and no "
            "other: leave it out"
        )
    if schedule.from_date and schedule.date_column is None and _DATE_PLACEHOLDER not in str(task.source.path):
        raise ConfigError(
            f"--from would give all of {task.source.path!r} to each day; set --date-column, or put {_DATE_PLACEHOLDER} into "
            "--input"
        )


def _days_done(area: StagingArea, asked: dict[str, Any]) -> list[str]:
    found = json.loads(area.staging.read(_BACKFILL_FILE) or "{}")
    return list(found.pop("done", [])) if {**found, "done": 0} == {**asked, "done": 0} else []
