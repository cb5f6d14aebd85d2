"""The staged rows of one run: files with a state beside them, or a branch of an Iceberg table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.errors import SetupError
from bert_spark.storage import Folder
from bert_spark.tables.iceberg_branches import TableBranch
from bert_spark.tables.output_partitions import Partition
from bert_spark.tables.parquet_footers import written_columns, written_rows
from bert_spark.tables.schema import HIDDEN_PREFIX

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


STATE_FILE = "state.json"
BRANCH_FILE = "branch.json"  # of a run that stages its rows on a branch of the table: which one
# Columns of an incremental run's staged rows: the file of a row, and its bytes and time (ms) when Spark listed it.
FILE_COLUMN = f"{HIDDEN_PREFIX}file"
FILE_SIZE_COLUMN = f"{HIDDEN_PREFIX}file_size"
FILE_TIME_COLUMN = f"{HIDDEN_PREFIX}file_time"
REMOVED = "removed"  # status of a stage whose removal has begun: its rows may be incomplete


@dataclass(frozen=True)
class StagedRun:
    """One run's staged rows: a folder that holds `state.json` and one folder for each partition.

    Rows for an Iceberg table may be on a branch of the table instead. Then the folder names the branch.

    Parameters
    ----------
    folder
        The run's folder in the staging folder.
    """

    folder: Folder

    @property
    def state(self) -> dict[str, Any] | None:
        """The state; None while the rows are incomplete.

        A run that slept may change the state of a stage that another run has removed. What it writes then names no
        output.
        """
        state = json.loads(self.folder.read(STATE_FILE) or "{}")
        return state if "output" in state else None

    def save(self, **changes: Any) -> dict[str, Any]:
        """Write the state with some changes and return it."""
        state = (self.state or {}) | changes
        self.folder.write(STATE_FILE, json.dumps(state, indent=2, sort_keys=True))
        return state

    @property
    def branch(self) -> TableBranch | None:
        """The branch that holds the rows; None if they are files."""
        text = self.folder.read(BRANCH_FILE)
        return TableBranch(**json.loads(text)) if text else None

    @property
    def place(self) -> str:
        """Where the rows are, for messages."""
        branch = self.branch
        return self.folder.uri if branch is None else f"branch {branch.name} of {branch.table}"

    def path(self, partition: str) -> str:
        """Return the path of one partition's rows; `partition` is "name=value"."""
        return f"{self.folder.uri}/{partition}"

    @property
    def left_out(self) -> list[str]:
        """The files whose staged rows are not to be published."""
        state = self.state or {}
        return [*state.get("held", {}).get("files", ()), *state.get("skipped_files", ())]

    def rows(self, spark: SparkSession, partitions: list[str]) -> DataFrame:
        """Return the staged rows of some partitions, without those of files that are left out.

        Raises
        ------
        SetupError
            If this process does not see what Spark wrote.
        """
        branch = self.branch
        if branch is not None:
            return branch.rows(spark, " OR ".join(Partition.parse(partition).condition for partition in partitions))
        missing = sorted(set(partitions) - set(self.folder.names()))
        if missing:
            raise SetupError(
                f"Spark wrote {self.path(missing[0])}, but this process does not see it. A scheduled run needs a "
                "folder that this process and Spark both see; set --work to one"
            )
        # A job of Spark finds the columns if they are not given.
        columns = written_columns(self.folder / partitions[0])
        reader = spark.read if columns is None else spark.read.schema(columns)
        rows = reader.parquet(*(self.path(partition) for partition in partitions))
        return rows_without_files(rows, self.left_out)

    def count_rows(self, spark: SparkSession, partitions: list[str]) -> int:
        """Return how many rows of some partitions are staged as files: none where all files are gone."""
        written = [
            partition
            for partition in partitions
            if any(name.startswith("part-") for name in (self.folder / partition).names())
        ]
        in_footers = [written_rows(self.folder / partition) for partition in written]
        if self.left_out or None in in_footers:
            return self.rows(spark, written).count()
        return sum(rows for rows in in_footers if rows is not None)

    @property
    def is_half_removed(self) -> bool:
        """Whether a run was killed while it removed this stage, so that some of its rows may be missing."""
        return (self.state or {}).get("status") == REMOVED

    def has_lost_rows(self, spark: SparkSession) -> bool:
        """Tell whether complete rows are gone: their branch was dropped, or a run that had slept has removed files."""
        branch, state = self.branch, self.state or {}
        if branch is not None:
            return not branch.exists(spark)
        if not state["partitions"]:  # changes of --sync, which are compared with the output
            return False
        return self.count_rows(spark, state["partitions"]) != int(state["record"]["rows_out"])

    def remove(self) -> None:
        """Remove files of rows and then the state, which meanwhile says that the removal has begun."""
        if self.state is not None:
            self.save(status=REMOVED)
        for name in self.folder.names():
            if name not in (STATE_FILE, BRANCH_FILE):
                self.folder.remove(name)
        parent, _, name = self.folder.uri.rpartition("/")
        Folder(parent).remove(name)


def remove_stage(spark: SparkSession, stage: StagedRun) -> None:
    """Remove what a run has staged, wherever its rows are."""
    branch = stage.branch
    if branch is not None:
        if stage.state is not None:
            stage.save(status=REMOVED)
        branch.drop(spark)
    stage.remove()


def rows_without_files(rows: DataFrame, files: Sequence[str]) -> DataFrame:
    """Return staged rows without those of some files."""
    return rows.where(~F.col(FILE_COLUMN).isin(list(files))) if files else rows
