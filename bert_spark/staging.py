"""Rows that are encoded and not published yet: where they lie, whether they are fit, and how they get into the table.

A run writes its rows beside the output, then what it knows of them (`state.json`), then replaces partitions of the
output. Whatever a killed run has left, the next one makes good: rows without a state are removed, others published.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import posixpath
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException

from bert_spark.errors import ConfigError, DataError, FingerprintError, LimitError, SetupError
from bert_spark.files import Folder
from bert_spark.jobconf import OutputConfig
from bert_spark.limits import audit
from bert_spark.lock import Lock
from bert_spark.records import RECORDS, records_of
from bert_spark.runs import as_text
from bert_spark.scheduleconf import LimitsConfig
from bert_spark.sinks import count, replace

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.tasks import Task

STATE = "state.json"
REMOVED = "removed"  # a stage of this status is only to be cleared away


@dataclass(frozen=True)
class Yard:
    """What lies beside an output: staged rows, the lock, records.

    Parameters
    ----------
    base
        The folder that holds the output, or the one set with --work.
    name
        What staged rows and the lock go by.
    output
        The output's path or table.
    """

    base: Folder
    name: str
    output: str

    @property
    def staging(self) -> Folder:
        """Where rows are staged, one folder a run."""
        return self.base / f"_staging/{self.name}"

    @property
    def records(self) -> Folder:
        """Where records are kept."""
        return self.base / RECORDS

    def keep(self, record: Mapping[str, Any]) -> str:
        """Write a run's record, over its earlier one; return where it lies."""
        self.records.write(f"{record['run_id']}.json", as_text(record))
        return self.place(record)

    def place(self, record: Mapping[str, Any]) -> str:
        """Return where a run's record lies."""
        return f"{self.records.uri.removeprefix('file:')}/{record['run_id']}.json"

    def kept(self, job: str, status: str) -> list[dict[str, Any]]:
        """Return the records of a job's runs into this output that ended in one way, newest first."""
        found = records_of(self.records, self.output)
        return [record for record in found if record["job"] == job and record.get("status") == status]


def yard_of(spark: SparkSession, output: OutputConfig, work: str | None) -> Yard:
    """Return the place beside an output; the address as Spark resolves it, since a bare path may be on HDFS.

    Raises
    ------
    ConfigError
        For a table without a folder for what lies beside it.
    """
    path = str(output.path).rstrip("/")
    if output.format == "table":
        if work is None:
            raise ConfigError(
                f"output {path!r} is a table: set --work to a folder for staged rows, lock and records, which driver "
                "and executors see, e.g. a volume"
            )
        return Yard(Folder(qualified(spark, work)), path, path)
    address = qualified(spark, path)
    if work is None:
        return Yard(Folder(posixpath.dirname(address)), posixpath.basename(path), path)
    short = hashlib.sha256(address.encode()).hexdigest()[:8]  # outputs of one name may share the folder
    return Yard(Folder(qualified(spark, work)), f"{posixpath.basename(path)}-{short}", path)


def qualified(spark: SparkSession, path: str) -> str:
    """Return a path with its scheme, as Spark's file system has it: the name it gives to what is not there."""
    absent = f"{path.rstrip('/')}/{uuid.uuid4().hex}"
    try:
        spark.read.format("binaryFile").load(absent).schema  # noqa: B018 - Connect looks only now
    except AnalysisException as err:
        found = (err.getMessageParameters() or {}).get("path", absent)
        return posixpath.dirname(found)
    return path


@dataclass(frozen=True)
class Stage:
    """One run's staged rows: a folder with a folder for each partition, and the state."""

    folder: Folder

    @property
    def state(self) -> dict[str, Any] | None:
        """What is known of the rows; None where they are not complete."""
        text = self.folder.read(STATE)
        return json.loads(text) if text else None

    def save(self, **changes: Any) -> dict[str, Any]:
        """Write the state with some changes; return it."""
        state = (self.state or {}) | changes
        self.folder.write(STATE, json.dumps(state, indent=2, sort_keys=True))
        return state

    def path(self, partition: str) -> str:
        """Return where the rows of one partition, "name=value", are staged."""
        return f"{self.folder.uri}/{partition}"

    def rows(self, spark: SparkSession, partitions: list[str]) -> DataFrame:
        """Return staged rows."""
        missing = sorted(set(partitions) - set(self.folder.names()))
        if missing:
            raise SetupError(
                f"Spark wrote {self.path(missing[0])}, and it can't be seen from here; a scheduled run needs a folder "
                "that this process and Spark both see: set --work to one"
            )
        return spark.read.parquet(*(self.path(partition) for partition in partitions))

    @property
    def is_garbage(self) -> bool:
        """Whether a run was killed while it cleared this away: half of the rows must not be taken for all."""
        return (self.state or {}).get("status") == REMOVED

    def remove(self) -> None:
        """Remove the rows, then the state, which says so meanwhile."""
        if self.state is not None:
            self.save(status=REMOVED)
        for name in self.folder.names():
            if name != STATE:
                self.folder.remove(name)
        parent, _, name = self.folder.uri.rpartition("/")
        Folder(parent).remove(name)


def complete(
    stage: Stage,
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


def check_same_model(stage: Stage, task: Task) -> None:
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


def settle(
    spark: SparkSession, yard: Yard, lock: Lock, stage: Stage, limits: LimitsConfig | None = None
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
        problems = audit(record, limits or LimitsConfig(**state["limits"]))
        if problems:
            stage.save(status="refused", problems=problems)
            yard.keep(record | {"status": "refused", "problems": problems})
            cure = "raise the limit" if state.get("own") else "mend the input, or raise the limit"  # it is read by now
            raise LimitError(
                f"{'; '.join(problems)}. Nothing of run {record['run_id']} is published, the table is as it was. Its "
                f"rows are in {stage.folder.uri}; {cure}: a run on this input takes them"
            )
        output = OutputConfig(**state["output"])
        record["rows_replaced"] = sum(count(spark, output, partition) for partition in state["partitions"])
        state = stage.save(status="audited", record=record)
    return _publish(spark, yard, lock, stage, state)


def _publish(spark: SparkSession, yard: Yard, lock: Lock, stage: Stage, state: dict[str, Any]) -> dict[str, Any]:
    record, output = state["record"], OutputConfig(**state["output"])
    there = 0
    for name in state["partitions"]:
        lock.check()
        rows = stage.rows(spark, [name])
        done = count(spark, output, name) if name in state.get("own", ()) else 0
        # the rows of a killed run are not written anew: a job that reads this output would take new files for new rows
        there += done if done and done == rows.count() else replace(spark, rows, output, name)
    if there != record["rows_out"]:
        raise DataError(f"{record['rows_out']} rows were staged and {there} are published; run again: it needs no BERT")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record |= {"status": "published", "published": now}
    yard.keep(record)
    stage.remove()
    return dict(record)
