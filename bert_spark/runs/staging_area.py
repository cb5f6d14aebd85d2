"""Where the runs of an output keep staged rows, locks and records: beside it, or in the folder of --work."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from bert_spark.errors import SetupError
from bert_spark.runs.run_record import record_as_json
from bert_spark.runs.settings_checks import check_work
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import qualified_path
from bert_spark.tables.run_records import RECORDS_FOLDER, records_of_output

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


PROGRESS_FILE = "backfill.json"  # in the staging folder: which days of a range are published
PLACE_FILE = "staging.txt"  # in the folder of the lock beside the output: where its runs stage their rows
# Of stages of runs by day, of incremental runs, and of runs that keep an output in step with its input.
DAY_PREFIX, NEW_PREFIX, SYNC_PREFIX = SCHEDULED_PREFIXES = ("day-", "new-", "sync-")


@dataclass(frozen=True)
class StagingArea:
    """The folders beside an output, or in the folder of --work: staged rows, locks, records.

    Parameters
    ----------
    base
        The folder that holds the output, or the one set with --work.
    name
        Name of the output's staging folder.
    output
        The output's path or table.
    beside
        The folder that holds the output; None for a table, and if this process cannot reach it.
    """

    base: Folder
    name: str
    output: str
    beside: Folder | None = None

    @property
    def staging(self) -> Folder:
        """The folder of staged rows, with one folder a run."""
        return self.base / f"_staging/{self.name}"

    @property
    def lock_folders(self) -> list[Folder]:
        """The folders of the output's locks: beside the output, whatever --work is, and in the folder of --work."""
        of_work = self.base / f"_locks/{self.name}"
        if self.beside is None:
            return [of_work]
        of_output = self.beside / f"_locks/{posixpath.basename(self.output)}"
        same = of_output.uri.removeprefix("file:") == of_work.uri.removeprefix("file:")
        return [of_output] if same else [of_output, of_work]

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

    def records_with_status(self, job: str, status: str, last: int) -> list[dict[str, Any]]:
        """Return the last records of a job's runs into this output that ended with `status`, newest first."""
        records = records_of_output(self.records, self.output, job)
        return list(islice((record for record in records if record.get("status") == status), last))


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
    parent = posixpath.dirname(address)
    if work is None:
        beside = Folder(parent)
        return StagingArea(beside, posixpath.basename(path), path, beside)
    try:
        reachable: Folder | None = Folder(parent)
    except SetupError:
        reachable = None
    address_hash = hashlib.sha256(address.encode()).hexdigest()[:8]  # outputs of the same name may share --work
    name = f"{posixpath.basename(path)}-{address_hash}"
    return StagingArea(Folder(qualified_path(spark, work)), name, path, reachable)


def staged_names(staging: Folder) -> list[str]:
    """Return the names of the runs in a staging folder that may hold rows to publish."""
    return [name for name in staging.names() if name.startswith(SCHEDULED_PREFIXES)]


def forget_progress(staging: Folder) -> None:
    """Remove the file that says which days of a range are published, and what a killed run left of writing it."""
    for name in staging.names():
        if PROGRESS_FILE in name:
            staging.remove(name)
