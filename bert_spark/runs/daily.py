"""Publish a job's result by day. Each day is one partition, and running a day again gives the same table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from bert_spark.errors import EmptyInputError, NoInputError
from bert_spark.runs.date_format import check_date_format
from bert_spark.runs.day_filter import (
    DAY_PARTITION,
    bytes_of_day,
    input_of_day,
    is_complete_folder,
    records_of_day,
)
from bert_spark.runs.day_stage import is_published, stage_rows
from bert_spark.runs.day_zone import SESSION_ZONE, days_in_zone
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.quality_limits import rows_differ
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.settings_checks import has_path_per_day
from bert_spark.runs.stage import StagedRun, remove_stage
from bert_spark.runs.staging_area import DAY_PREFIX, PROGRESS_FILE, StagingArea, forget_progress
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_size import input_signature
from bert_spark.tables.outputs import output_is_empty, output_schema, path_exists
from bert_spark.tables.row_counts import ZERO_COUNTS
from bert_spark.tables.schema import check_columns_free
from bert_spark.versions import VERSION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)


def publish_days(run: ScheduledRun) -> list[dict[str, Any]]:
    """Publish the requested days in the run's time zone; see `_publish_days`."""
    with days_in_zone(run.spark, run.schedule.time_zone):
        return _publish_days(run)


def _publish_days(run: ScheduledRun) -> list[dict[str, Any]]:
    """Publish the requested days one after the other and return their records.

    Complete rows of killed runs are published first. A range of days that stopped continues with its first day that is
    not published.

    Raises
    ------
    NoInputError
        If a day has no input and `require_input` is set.
    LimitError
        If a day is outside the limits. The days before it are published.
    """
    check_date_format(run.spark, run.schedule.date_format)
    recovered = recover_staged_days(run)
    days, output = run.schedule.days, run.task.output
    request = {"days": days, "rows": _digest(_rows_identity(run))}
    if not path_exists(run.spark, str(output.path), output.format):
        forget_progress(run.area.staging)
    done = _finished_days(run.area, request)
    records = []
    for day in days:
        if day in done:
            logger.info("%s was already published by the run that this one continues", day)
            continue
        published = _publish_day(run, day, recovered)
        if published is not None:
            records += published
        elif run.schedule.require_input:
            path = input_of_day(run.task.source, day).path
            raise NoInputError(f"no input for {day} ({path}); the table is unchanged. Run again when it has arrived")
        else:
            logger.warning("no input for %s: nothing to do, its partition is unchanged", day)
        done.append(day)
        if len(days) > 1:
            run.area.staging.write(PROGRESS_FILE, json.dumps(request | {"done": done}))
    if len(days) > 1:
        forget_progress(run.area.staging)
    return records


def recover_staged_days(run: ScheduledRun) -> dict[str, dict[str, Any]]:
    """Publish the rows of killed runs that are complete and remove those that are not.

    Rows that the limits refused stay staged until their day is run again.

    Returns
    -------
    dict
        Key of the staged rows -> record of the run that staged them.

    Raises
    ------
    FingerprintError
        If complete rows belong to another model than this run's.
    """
    recovered = {}
    for name in _staged_days(run.area):
        stage = StagedRun(run.area.staging / name)
        state = stage.state
        if state is None or stage.is_half_removed or _is_incomplete(run, stage, state):
            logger.warning("removing the incomplete rows of a killed run: %s", stage.place)
            _remove_earlier_stage(run, stage)
        elif state["status"] != "refused":
            check_same_model(run, stage)
            logger.warning("publishing the rows that run %s had staged when it was killed", state["record"]["run_id"])
            recovered[state["key"]] = audit_and_publish(run, stage)
    return recovered


def _is_incomplete(run: ScheduledRun, stage: StagedRun, state: dict[str, Any]) -> bool:
    """Tell whether staged rows are gone, or were removed by another run before their own run had counted them."""
    lacked_rows = state["status"] != "refused" and rows_differ(state["record"])
    return lacked_rows or stage.has_lost_rows(run.spark)


def _remove_earlier_stage(run: ScheduledRun, stage: StagedRun) -> None:
    """Remove what an earlier run has staged, unless this run slept and another one has its lock: that one may be it."""
    run.lock.check()
    remove_stage(run.spark, stage)


def _staged_days(area: StagingArea) -> list[str]:
    return [name for name in area.staging.names() if name.startswith(DAY_PREFIX)]


def _publish_day(run: ScheduledRun, day: str, recovered: dict[str, dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Publish one day and return its record, or no record if it is published already. None if it has no input."""
    source = input_of_day(run.task.source, day)
    path = str(source.path)
    if has_path_per_day(run.task.source) and not path_exists(run.spark, path, input_format(source)):
        return None
    try:
        tweets = run.task.read(run.spark, source)
    except EmptyInputError as err:
        if not is_complete_folder(run.spark, path):
            raise
        logger.warning("%s", err)
        return _publish_empty_day(run, day)
    check_columns_free(tweets, {} if run.schedule.date_column == DAY_PARTITION else {DAY_PARTITION: ""})
    # An input without a signature never equals an earlier one.
    signature = input_signature(tweets) or uuid.uuid4().hex
    facts = {"path": source.path, "day": day, "signature": signature, "version": VERSION}
    key = _digest(_rows_identity(run) | facts)
    if key in recovered:
        return [recovered[key]]
    stage = _refused_stage(run, day, key)
    if stage is None and is_published(run, f"{DAY_PARTITION}={day}", key):
        logger.info("%s was already published from this input with these settings: its partition is unchanged", day)
        return []
    return [audit_and_publish(run, stage or _stage_day(run, tweets, day, key), run.limits)]


def _rows_identity(run: ScheduledRun) -> dict[str, Any]:
    """Return everything that decides which rows come out of an input: equal settings stage equal rows."""
    return {
        "identity": dict(run.task.identity),
        "encoder": run.task.config.settings(),
        "source": dataclasses.asdict(run.task.source),
        "output": dataclasses.asdict(run.task.output),
        "facts": dict(run.task.facts),
        "date_column": run.schedule.date_column,
        "date_format": run.schedule.date_format,
        "time_zone": run.spark.conf.get(SESSION_ZONE),
    }


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _finished_days(area: StagingArea, request: dict[str, Any]) -> list[str]:
    """Return the days that an interrupted run of the same request published."""
    progress = json.loads(area.staging.read(PROGRESS_FILE) or "{}")
    done = progress.pop("done", [])
    return list(done) if progress == request else []


def _refused_stage(run: ScheduledRun, day: str, key: str) -> StagedRun | None:
    """Return the refused rows of exactly this input, if any. Remove those of older inputs of the day.

    Rows whose number differs from that of the input's records are removed too: no limit would publish them.
    """
    matching = None
    for name in _staged_days(run.area):
        stage = StagedRun(run.area.staging / name)
        state = stage.state or {}
        if state.get("key") == key and not rows_differ(state["record"]):
            matching = stage
        elif state.get("partitions") == [f"{DAY_PARTITION}={day}"]:
            _remove_earlier_stage(run, stage)
    return matching


def _stage_day(run: ScheduledRun, tweets: DataFrame, day: str, key: str) -> StagedRun:
    """Encode the records of a day into a new stage."""
    task, date_column = run.task.for_input(tweets), run.schedule.date_column
    partition = f"{DAY_PARTITION}={day}"
    zone = {} if date_column is None else {"time_zone": run.spark.conf.get(SESSION_ZONE)}
    record = task.record(partition=partition, path_per_day=has_path_per_day(task.source), **zone)
    stage = StagedRun(run.area.staging / f"{DAY_PREFIX}{record.content['run_id']}")
    task.check_truth(tweets)
    rows = records_of_day(record, tweets, date_column, day, run.schedule.date_format)
    counted = record.count_input(rows, task.source.text_column)
    size = None
    if task.spreads_rows:
        size = bytes_of_day(tweets, task.source.text_column, date_column, day, run.schedule.date_format)
    result = task.apply(counted, task.source.partition_mb, size)
    with show_progress(run.spark, f"{task.job} {day}"):
        content = stage_rows(run, task, stage, result, record, key)
    content = task.with_label_shift(content)
    if task.truth is not None:
        content |= task.compared(stage.rows(run.spark, [partition]))
    if run.schedule.require_input and not content["rows_out"]:
        remove_stage(run.spark, stage)
        raise NoInputError(
            f"the input of {day} holds no records; the table is unchanged. Run again when they have arrived"
        )
    mark_staged(run, stage, [partition], content, key)
    return stage


def _publish_empty_day(run: ScheduledRun, day: str) -> list[dict[str, Any]] | None:
    """Replace a day by no rows, with the columns of the output. None if input is required or there is no output."""
    if run.schedule.require_input or output_is_empty(run.spark, run.task.output):
        return None
    partition = f"{DAY_PARTITION}={day}"
    record = run.task.record(partition=partition)
    stage = StagedRun(run.area.staging / f"{DAY_PREFIX}{record.content['run_id']}")
    no_rows = run.spark.createDataFrame([], output_schema(run.spark, run.task.output)).drop(DAY_PARTITION)
    no_rows.write.mode("overwrite").parquet(stage.path(partition))
    mark_staged(run, stage, [partition], run.task.with_label_shift(record.finish(ZERO_COUNTS)))
    return [audit_and_publish(run, stage, run.limits)]
