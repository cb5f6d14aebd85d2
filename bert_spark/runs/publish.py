"""Audit staged rows and publish them by replacing partitions. Encodes nothing; publishes nothing without the lock."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any, Protocol

from bert_spark.errors import DataError, FingerprintError, LimitError
from bert_spark.runs.config import LimitsConfig
from bert_spark.runs.quality_limits import limit_violations, rows_differ
from bert_spark.runs.stage import remove_stage
from bert_spark.runs.sync_publish import publish_changes
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.output_partitions import Partition, count_partition_rows, replace_partition
from bert_spark.tables.ownership import mark_owner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.runs.output_lock import OutputLock
    from bert_spark.runs.scheduled_run import ScheduledRun
    from bert_spark.runs.stage import StagedRun
    from bert_spark.runs.staging_area import StagingArea


def mark_staged(
    run: ScheduledRun,
    stage: StagedRun,
    partitions: list[str],
    record: dict[str, Any],
    key: str = "",
    *,
    exclusive: bool = False,
    **facts: Any,
) -> None:
    """Write the state of completely staged rows. From here on, a kill costs no encoding.

    Parameters
    ----------
    run
        The run whose output, limits and model the state names.
    stage
        The staged rows.
    partitions
        Their partitions, "name=value".
    record
        The run's record, with its counts.
    key
        Identifies the input and the settings that gave these rows.
    exclusive
        Whether only this run, and later runs that publish its rows, ever write these partitions.
    facts
        Further entries of the state.
    """
    stage.save(
        status="staged",
        partitions=partitions,
        record=record,
        output=dataclasses.asdict(run.task.output),
        limits=dataclasses.asdict(run.limits),
        key=key,
        identity=dict(run.task.identity),
        own=partitions if exclusive else [],
        **facts,
    )


def check_same_model(run: ScheduledRun, stage: StagedRun) -> None:
    """Refuse to publish the staged rows of another model's killed run.

    Raises
    ------
    FingerprintError
        If the rows belong to another encoder or artefact than those of the run's task.
    """
    state = stage.state or {}
    for key, expected in run.task.identity.items():
        staged = state.get("identity", {}).get(key, expected)
        if staged != expected:
            name = key.rsplit(".", 1)[-1]
            run_id = state["record"]["run_id"]
            raise FingerprintError(
                f"run {run_id} was killed before it published its rows of {name} {staged[:12]}, but this run's {name} "
                f"is {expected[:12]}. Run the job with that model once more, which publishes them, or give them up "
                f"with {_history_command(run.area, state)} --discard {run_id}"
            )


class Publisher(Protocol):
    """A run that publishes: its session, where rows are staged, and the lock that it holds."""

    @property
    def spark(self) -> SparkSession:
        """The session."""

    @property
    def area(self) -> StagingArea:
        """Where rows are staged and records are written."""

    @property
    def lock(self) -> OutputLock:
        """The locks of the output."""


def audit_and_publish(run: Publisher, stage: StagedRun, limits: LimitsConfig | None = None) -> dict[str, Any]:
    """Audit staged rows, publish them and return their record.

    Parameters
    ----------
    run
        The run that publishes.
    stage
        The staged rows. Another run may have staged them.
    limits
        By default the limits of the run that staged the rows.

    Raises
    ------
    LimitError
        If the rows are outside the limits. The table is unchanged and the rows stay staged.
    """
    state = stage.state or {}
    record = state["record"]
    if state["status"] != "audited":
        problems = limit_violations(record, limits or LimitsConfig(**state["limits"]))
        if problems:
            stage.save(status="refused", problems=problems)
            run.area.save_record(record | {"status": "refused", "problems": problems})
            raise LimitError(_refusal(run.area, stage, state, problems))
        output = OutputConfig(**state["output"])
        record["rows_replaced"] = sum(
            count_partition_rows(run.spark, output, partition) for partition in state["partitions"]
        )
        state = stage.save(status="audited", record=record)
    return _publish(run, stage, state)


def _refusal(area: StagingArea, stage: StagedRun, state: dict[str, Any], problems: list[str]) -> str:
    """Return what the limits found, and what to run next."""
    raised = "with a higher limit, which publishes them without BERT"
    if state.get("own"):  # an incremental run never reads the same input again
        remedy = f"{raised}, or with --skip-refused, which leaves them out permanently"
    elif rows_differ(state["record"]):
        remedy = "once more, which encodes the input anew; it must not change during a run"
    else:
        remedy = f"{raised}, or with a corrected input, which is encoded again"
    run_id = state["record"]["run_id"]
    return (
        f"{'; '.join(problems)}. Nothing of run {run_id} was published, and the table is unchanged. Its rows are "
        f"staged in {stage.place}. Run the same command {remedy}. Or publish these rows as they are with "
        f"{_history_command(area, state)} --publish {run_id}, or give them up with --discard {run_id}"
    )


def _history_command(area: StagingArea, state: dict[str, Any]) -> str:
    """Return the command that settles an output's staged rows, without its action."""
    of_table = f" --work {area.base.uri.removeprefix('file:')}" if state["output"]["format"] == "table" else ""
    return f"jobs/history.py --output {area.output}{of_table}"


def _publish(run: Publisher, stage: StagedRun, state: dict[str, Any]) -> dict[str, Any]:
    record, output = state["record"], OutputConfig(**state["output"])
    if "sync" in state:
        publish_changes(run, stage, state)
        return _save_published(run, stage, record)
    published_rows = 0
    for partition in state["partitions"]:
        run.lock.check()
        branch = stage.branch
        if branch is None:
            published_rows += _publish_files(run, stage, state, output, partition)
        elif branch.is_published(run.spark):  # by a run that was killed before it could record it
            published_rows = record["rows_out"]
        else:
            mark_owner(run.spark, branch.owner, output)
            branch.publish(run.spark, Partition.parse(partition).condition)
            published_rows += count_partition_rows(run.spark, output, partition)
        run.lock.remember_place()
    if published_rows != record["rows_out"]:
        raise DataError(
            f"{record['rows_out']} rows were staged and {published_rows} were published. Run the same command again, "
            "which publishes the staged rows without BERT"
        )
    return _save_published(run, stage, record)


def _save_published(run: Publisher, stage: StagedRun, record: dict[str, Any]) -> dict[str, Any]:
    run.lock.check()  # a run that slept must not remove rows that another one is publishing
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record |= {"status": "published", "published": now}
    run.area.save_record(record)
    remove_stage(run.spark, stage)
    return dict(record)


def _publish_files(
    run: Publisher, stage: StagedRun, state: dict[str, Any], output: OutputConfig, partition: str
) -> int:
    """Replace a partition by rows that are staged as files, and return how many it then holds."""
    exclusive = partition in state.get("own", ())
    if exclusive:
        # Rows that a killed run has published are not written again: a job that reads this output incrementally would
        # take the new files for new rows. Staged rows may be gone already.
        already_published = count_partition_rows(run.spark, output, partition)
        if already_published >= stage.count_rows(run.spark, [partition]):  # both are 0 if all of its files are left out
            return already_published
    return replace_partition(run.spark, stage.rows(run.spark, [partition]), output, partition)
