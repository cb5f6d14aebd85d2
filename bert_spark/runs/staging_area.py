"""Keep staged rows between encoding and publishing, beside the lock and the records. Decides nothing about them."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_spark.errors import SetupError
from bert_spark.runs.run_history import records_of_output
from bert_spark.runs.run_record import RECORDS_FOLDER, record_as_json
from bert_spark.runs.settings_checks import check_work
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import qualified_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


STATE_FILE = "state.json"
REMOVED = "removed"  # status of a stage whose removal has begun: its rows may be incomplete


@dataclass(frozen=True)
class StagingArea:
    """The folders beside an output: staged rows, the lock, records.

    Parameters
    ----------
    base
        The folder that holds the output, or the one set with --work.
    name
        Name of the output's staging folder and of its lock.
    output
        The output's path or table.
    """

    base: Folder
    name: str
    output: str

    @property
    def staging(self) -> Folder:
        """The folder of staged rows, with one folder a run."""
        return self.base / f"_staging/{self.name}"

    @property
    def records(self) -> Folder:
        """The folder of records."""
        return self.base / RECORDS_FOLDER

    def save_record(self, record: Mapping[str, Any]) -> str:
        """Write a run's record, over its earlier version, and return its path."""
        self.records.write(f"{record['run_id']}.json", record_as_json(record))
        return self.record_path(record)

    def record_path(self, record: Mapping[str, Any]) -> str:
        """Return the path of a run's record."""
        return f"{self.records.uri.removeprefix('file:')}/{record['run_id']}.json"

    def records_with_status(self, job: str, status: str) -> list[dict[str, Any]]:
        """Return the records of a job's runs into this output that ended with `status`, newest first."""
        records = records_of_output(self.records, self.output)
        return [record for record in records if record["job"] == job and record.get("status") == status]


def staging_area_for(spark: SparkSession, output: OutputConfig, work: str | None) -> StagingArea:
    """Return the staging area of an output.

    Its address is the one that Spark resolves, since a path without a scheme may be on HDFS.

    Raises
    ------
    ConfigError
        If the output is a table and `work` is not set: a table has no folder beside it.
    """
    path = str(output.path).rstrip("/")
    if output.format == "table":
        check_work(output, work)
        return StagingArea(Folder(qualified_path(spark, str(work))), path, path)
    address = qualified_path(spark, path)
    if work is None:
        return StagingArea(Folder(posixpath.dirname(address)), posixpath.basename(path), path)
    address_hash = hashlib.sha256(address.encode()).hexdigest()[:8]  # outputs of the same name may share --work
    return StagingArea(Folder(qualified_path(spark, work)), f"{posixpath.basename(path)}-{address_hash}", path)


@dataclass(frozen=True)
class StagedRun:
    """One run's staged rows: a folder that holds `state.json` and one folder for each partition.

    Parameters
    ----------
    folder
        The run's folder in the staging folder.
    """

    folder: Folder

    @property
    def state(self) -> dict[str, Any] | None:
        """The state; None while the rows are incomplete."""
        text = self.folder.read(STATE_FILE)
        return json.loads(text) if text else None

    def save(self, **changes: Any) -> dict[str, Any]:
        """Write the state with some changes and return it."""
        state = (self.state or {}) | changes
        self.folder.write(STATE_FILE, json.dumps(state, indent=2, sort_keys=True))
        return state

    def path(self, partition: str) -> str:
        """Return the path of one partition's rows; `partition` is "name=value"."""
        return f"{self.folder.uri}/{partition}"

    def rows(self, spark: SparkSession, partitions: list[str]) -> DataFrame:
        """Return the staged rows of some partitions.

        Raises
        ------
        SetupError
            If this process does not see what Spark wrote.
        """
        missing = sorted(set(partitions) - set(self.folder.names()))
        if missing:
            raise SetupError(
                f"Spark wrote {self.path(missing[0])}, but this process does not see it. A scheduled run needs a "
                "folder that this process and Spark both see; set --work to one"
            )
        return spark.read.parquet(*(self.path(partition) for partition in partitions))

    @property
    def is_half_removed(self) -> bool:
        """Whether a run was killed while it removed this stage, so that some of its rows may be missing."""
        return (self.state or {}).get("status") == REMOVED

    def remove(self) -> None:
        """Remove the rows and then the state, which meanwhile says that the removal has begun."""
        if self.state is not None:
            self.save(status=REMOVED)
        for name in self.folder.names():
            if name != STATE_FILE:
                self.folder.remove(name)
        parent, _, name = self.folder.uri.rpartition("/")
        Folder(parent).remove(name)
