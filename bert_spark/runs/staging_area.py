"""Where rows lie between encoding and publishing, with the lock and the records."""

from __future__ import annotations

import hashlib
import json
import posixpath
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException

from bert_spark.errors import ConfigError, SetupError
from bert_spark.runs.run_history import RECORDS_FOLDER, records_of_output
from bert_spark.runs.run_record import record_as_json
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


STATE_FILE = "state.json"
REMOVED = "removed"  # a stage of this status is only to be cleared away


@dataclass(frozen=True)
class StagingArea:
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
        return self.base / RECORDS_FOLDER

    def save_record(self, record: Mapping[str, Any]) -> str:
        """Write a run's record, over its earlier one; return where it lies."""
        self.records.write(f"{record['run_id']}.json", record_as_json(record))
        return self.record_path(record)

    def record_path(self, record: Mapping[str, Any]) -> str:
        """Return where a run's record lies."""
        return f"{self.records.uri.removeprefix('file:')}/{record['run_id']}.json"

    def records_with_status(self, job: str, status: str) -> list[dict[str, Any]]:
        """Return the records of a job's runs into this output that ended in one way, newest first."""
        found = records_of_output(self.records, self.output)
        return [record for record in found if record["job"] == job and record.get("status") == status]


def staging_area_for(spark: SparkSession, output: OutputConfig, work: str | None) -> StagingArea:
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
        return StagingArea(Folder(qualified_path(spark, work)), path, path)
    address = qualified_path(spark, path)
    if work is None:
        return StagingArea(Folder(posixpath.dirname(address)), posixpath.basename(path), path)
    short = hashlib.sha256(address.encode()).hexdigest()[:8]  # outputs of one name may share the folder
    return StagingArea(Folder(qualified_path(spark, work)), f"{posixpath.basename(path)}-{short}", path)


def qualified_path(spark: SparkSession, path: str) -> str:
    """Return a path with its scheme, as Spark's file system has it: the name it gives to what is not there."""
    absent = f"{path.rstrip('/')}/{uuid.uuid4().hex}"
    try:
        spark.read.format("binaryFile").load(absent).schema  # noqa: B018 - Connect looks only now
    except AnalysisException as err:
        found = (err.getMessageParameters() or {}).get("path", absent)
        return posixpath.dirname(found)
    return path


@dataclass(frozen=True)
class StagedRun:
    """One run's staged rows: a folder with a folder for each partition, and the state."""

    folder: Folder

    @property
    def state(self) -> dict[str, Any] | None:
        """What is known of the rows; None where they are not complete."""
        text = self.folder.read(STATE_FILE)
        return json.loads(text) if text else None

    def save(self, **changes: Any) -> dict[str, Any]:
        """Write the state with some changes; return it."""
        state = (self.state or {}) | changes
        self.folder.write(STATE_FILE, json.dumps(state, indent=2, sort_keys=True))
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
    def is_half_removed(self) -> bool:
        """Whether a run was killed while it cleared this away: half of the rows must not be taken for all."""
        return (self.state or {}).get("status") == REMOVED

    def remove(self) -> None:
        """Remove the rows, then the state, which says so meanwhile."""
        if self.state is not None:
            self.save(status=REMOVED)
        for name in self.folder.names():
            if name != STATE_FILE:
                self.folder.remove(name)
        parent, _, name = self.folder.uri.rpartition("/")
        Folder(parent).remove(name)
