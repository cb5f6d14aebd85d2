"""Publish a job's result by days: each day is one partition, and running a day again gives the same table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from bert_spark.columns import check_free
from bert_spark.counts import OF_NOTHING
from bert_spark.days import PARTITION, is_whole, of_day
from bert_spark.errors import ConfigError, EmptyInputError, NoInputError
from bert_spark.jobconf import InputConfig
from bert_spark.lock import Lock
from bert_spark.progress import shown
from bert_spark.scheduleconf import LimitsConfig, ScheduleConfig
from bert_spark.sinks import exists, is_empty, table_of
from bert_spark.sources import kind_of, read
from bert_spark.spread import input_signature
from bert_spark.staging import Stage, Yard, check_same_model, complete, settle
from bert_spark.tasks import Task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

_PLACE = "{run_date}"
_BACKFILL = "backfill.json"


def publish_days(
    spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig, yard: Yard, lock: Lock
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
    finished = recover(spark, task, yard, lock)
    asked = {"days": schedule.days, "rows": _digest(_facts(spark, task, schedule))}
    done = _done_of(yard, asked) if exists(spark, str(task.output.path), task.output.format) else []
    records = []
    for day in schedule.days:
        if day in done:
            logger.info("%s is published already by the run that this one continues", day)
            continue
        record = _publish_day(spark, task, schedule, limits, yard, lock, day, finished)
        if record is None:
            if schedule.require_input:
                raise NoInputError(f"no input for {day} ({_source_of(task.source, day).path}); the table is as it was")
            logger.warning("no input for %s: nothing to do, its partition stays as it is", day)
        else:
            records.append(record)
        done.append(day)
        if len(schedule.days) > 1:
            yard.staging.write(_BACKFILL, json.dumps(asked | {"done": done}))
    if len(schedule.days) > 1:
        yard.staging.remove(_BACKFILL)
    return records


def recover(spark: SparkSession, task: Task, yard: Yard, lock: Lock) -> dict[str, dict[str, Any]]:
    """Make good what killed runs have left: publish rows that are complete, remove others; return key -> record.

    Rows that the limits have refused stay, until their day is run again.

    Raises
    ------
    FingerprintError
        When complete rows are of another model than this run's.
    """
    finished = {}
    for name in yard.staging.names():
        if not name.startswith("day-"):
            continue
        stage = Stage(yard.staging / name)
        state = stage.state
        if state is None or stage.is_garbage:
            logger.warning("removing what a killed run left unfinished: %s", stage.folder.uri)
            stage.remove()
        elif state["status"] != "refused":
            check_same_model(stage, task)
            logger.warning("publishing what run %s had staged when it ended", state["record"]["run_id"])
            finished[state["key"]] = settle(spark, yard, lock, stage)
    return finished


def _publish_day(
    spark: SparkSession,
    task: Task,
    schedule: ScheduleConfig,
    limits: LimitsConfig,
    yard: Yard,
    lock: Lock,
    day: str,
    finished: dict[str, dict[str, Any]],
) -> dict[str, Any] | None:
    source = _source_of(task.source, day)
    kind = kind_of(source)
    if _PLACE in str(task.source.path) and not exists(spark, str(source.path), kind):
        return None
    try:
        tweets = read(spark, source)
    except EmptyInputError as err:
        if not is_whole(spark, str(source.path)):
            raise
        logger.warning("%s", err)
        empty = None if schedule.require_input else _stage_empty(spark, task, limits, yard, day)
        return settle(spark, yard, lock, empty, limits) if empty else None
    check_free(tweets, [] if schedule.date_column == PARTITION else [PARTITION])
    signature = input_signature(tweets) or uuid.uuid4().hex  # of an input that can't be known, never the same
    key = _digest(_facts(spark, task, schedule) | {"path": source.path, "day": day, "signature": signature})
    if key in finished:
        return finished[key]
    stage = _refused(yard, day, key)
    if stage is None:
        stage = _encode(spark, task, schedule, limits, yard, tweets, day, key)
    return settle(spark, yard, lock, stage, limits)


def _source_of(source: InputConfig, day: str) -> InputConfig:
    return dataclasses.replace(source, path=str(source.path).replace(_PLACE, day))


def _facts(spark: SparkSession, task: Task, schedule: ScheduleConfig) -> dict[str, Any]:
    """Return all that decides which rows come out of an input: runs that agree in it would stage the same."""
    return {
        "identity": dict(task.identity),
        "encoder": task.config.settings(),
        "source": dataclasses.asdict(task.source),
        "output": dataclasses.asdict(task.output),
        "facts": dict(task.facts),
        "date_column": schedule.date_column,
        "time_zone": _time_zone(spark),
    }


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _time_zone(spark: SparkSession) -> str | None:
    """Return the zone in which timestamps become days."""
    return spark.conf.get("spark.sql.session.timeZone")


def _refused(yard: Yard, day: str, key: str) -> Stage | None:
    """Return the rows of this very input that limits have refused; remove older ones of the day."""
    found = None
    for name in yard.staging.names():
        if not name.startswith("day-"):
            continue
        stage = Stage(yard.staging / name)
        state = stage.state or {}
        if state.get("key") == key:
            found = stage
        elif state.get("partitions") == [f"{PARTITION}={day}"]:
            stage.remove()
    return found


def _encode(
    spark: SparkSession,
    task: Task,
    schedule: ScheduleConfig,
    limits: LimitsConfig,
    yard: Yard,
    tweets: DataFrame,
    day: str,
    key: str,
) -> Stage:
    partition = f"{PARTITION}={day}"
    zone = {} if schedule.date_column is None else {"time_zone": _time_zone(spark)}
    record = task.record(input=task.source.path, partition=partition, **zone)
    stage = Stage(yard.staging / f"day-{record.content['run_id']}")
    counted = record.count_in(of_day(record, tweets, schedule.date_column, day), task.source.text_column)
    result = task.added(counted, task.source.partition_mb)
    with shown(spark, f"{task.job} {day}"):
        result.write.mode("overwrite").parquet(stage.path(partition))
    counts = stage.rows(spark, [partition]).agg(*task.counts()).first()
    content = task.judged(record.finish(counts.asDict() if counts else {}))
    if schedule.require_input and not content["rows_out"]:
        stage.remove()
        raise NoInputError(f"the input of {day} holds no records; the table is as it was")
    complete(stage, task, [partition], content, limits, key)
    return stage


def _stage_empty(spark: SparkSession, task: Task, limits: LimitsConfig, yard: Yard, day: str) -> Stage | None:
    """Stage a day without rows, of the columns that the output has; None where there is no output to say them."""
    if is_empty(spark, task.output):
        return None
    partition = f"{PARTITION}={day}"
    record = task.record(partition=partition)
    stage = Stage(yard.staging / f"day-{record.content['run_id']}")
    table_of(spark, task.output).drop(PARTITION).limit(0).write.mode("overwrite").parquet(stage.path(partition))
    complete(stage, task, [partition], task.judged(record.finish(OF_NOTHING)), limits)
    return stage


def check_days(task: Task, schedule: ScheduleConfig) -> None:
    """Refuse a range of days that would each be given the whole input, and settings of plain runs."""
    if task.output.if_exists != "error":
        raise ConfigError(
            f"got if_exists={task.output.if_exists!r} with a scheduled run, which replaces its own partition and no "
            "other: leave it out"
        )
    if schedule.from_date and schedule.date_column is None and _PLACE not in str(task.source.path):
        raise ConfigError(
            f"--from would give all of {task.source.path!r} to each day; set --date-column, or put {_PLACE} into "
            "--input"
        )


def _done_of(yard: Yard, asked: dict[str, Any]) -> list[str]:
    found = json.loads(yard.staging.read(_BACKFILL) or "{}")
    return list(found.pop("done", [])) if {**found, "done": 0} == {**asked, "done": 0} else []
