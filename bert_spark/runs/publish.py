"""Audit staged rows and publish them by replacing partitions."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from bert_spark.errors import DataError, FingerprintError, LimitError
from bert_spark.runs.config import LimitsConfig
from bert_spark.runs.lock import Lock
from bert_spark.runs.quality_limits import limit_violations
from bert_spark.runs.staging_area import StagedRun, StagingArea
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.partitions import count_partition_rows, replace_partition

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.runs.task import Task


def mark_staged(
    stage: StagedRun,
    task: Task,
    partitions: list[str],
    record: dict[str, Any],
    limits: LimitsConfig,
    key: str = "",
    *,
    own: bool = False,
) -> None:
    """Say that all rows are staged: from here on a kill costs no encoding.

    Parameters
    ----------
    own
        Whether nobody but this run, and those that take it up, ever writes these partitions.
    """
    facts = {"output": dataclasses.asdict(task.output), "limits": dataclasses.asdict(limits), "key": key}
    facts |= {"identity": dict(task.identity), "own": partitions if own else []}
    stage.save(status="staged", partitions=partitions, record=record, **facts)


def check_same_model(stage: StagedRun, task: Task) -> None:
    """Refuse to publish, in a run of one model, what another one's killed run has staged."""
    state = stage.state or {}
    for key, mine in task.identity.items():
        theirs = state.get("identity", {}).get(key, mine)
        if theirs != mine:
            raise FingerprintError(
                f"run {state['record']['run_id']} ended before it published its rows of {key.rsplit('.', 1)[-1]} "
                f"{theirs[:12]}, and this run makes {mine[:12]}: run that model's job once more, which publishes them, "
                f"or remove {stage.folder.uri}"
            )


def audit_and_publish(
    spark: SparkSession, area: StagingArea, lock: Lock, stage: StagedRun, limits: LimitsConfig | None = None
) -> dict[str, Any]:
    """Audit what is staged and publish it; return the record.

    Parameters
    ----------
    limits
        By default those of the run that staged it.

    Raises
    ------
    LimitError
        When it is outside the limits: the table stays as it was, the rows stay staged.
    """
    state = stage.state or {}
    record = state["record"]
    if state["status"] != "audited":
        problems = limit_violations(record, limits or LimitsConfig(**state["limits"]))
        if problems:
            stage.save(status="refused", problems=problems)
            area.save_record(record | {"status": "refused", "problems": problems})
            cure = "raise the limit" if state.get("own") else "mend the input, or raise the limit"  # it is read by now
            raise LimitError(
                f"{'; '.join(problems)}. Nothing of run {record['run_id']} is published, the table is as it was. Its "
                f"rows are in {stage.folder.uri}; {cure}: a run on this input takes them"
            )
        output = OutputConfig(**state["output"])
        record["rows_replaced"] = sum(
            count_partition_rows(spark, output, partition) for partition in state["partitions"]
        )
        state = stage.save(status="audited", record=record)
    return _publish(spark, area, lock, stage, state)


def _publish(
    spark: SparkSession, area: StagingArea, lock: Lock, stage: StagedRun, state: dict[str, Any]
) -> dict[str, Any]:
    record, output = state["record"], OutputConfig(**state["output"])
    there = 0
    for name in state["partitions"]:
        lock.check()
        rows = stage.rows(spark, [name])
        done = count_partition_rows(spark, output, name) if name in state.get("own", ()) else 0
        # the rows of a killed run are not written anew: a job that reads this output would take new files for new rows
        there += done if done and done == rows.count() else replace_partition(spark, rows, output, name)
    if there != record["rows_out"]:
        raise DataError(f"{record['rows_out']} rows were staged and {there} are published; run again: it needs no BERT")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record |= {"status": "published", "published": now}
    area.save_record(record)
    stage.remove()
    return dict(record)
