"""The staged changes of a run that keeps an output in step with its input: read them, and tell whether they fit."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.errors import SetupError
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.staging_area import StagingArea
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.sync_plan import CHANGE
from bert_spark.tables.sync_rows import FILE, ID, SyncedColumns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


PLAN, ENCODED_ROWS, OTHER_ROWS = "plan", "encoded", "columns"  # folders of a stage
FILES_PREFIX = "files-"  # of the folders of new files, beside the stages


@dataclass(frozen=True)
class StagedChanges:
    """Staged changes: a plan with one row for each changed id, and the rows to add or to replace.

    Parameters
    ----------
    spark, stage
        The session and the stage.
    columns
        The columns of the output.
    """

    spark: SparkSession
    stage: StagedRun
    columns: SyncedColumns

    @property
    def plan(self) -> DataFrame:
        """What happens to each changed id."""
        return self._read(PLAN, T.StructType([T.StructField(name, T.StringType()) for name in (ID, CHANGE, FILE)]))

    @property
    def upserts(self) -> DataFrame:
        """The rows to add or to replace: ID, and the columns of the output."""
        schema = T.StructType([*self.columns.schema.fields, T.StructField(ID, T.StringType())])
        rows, present = self.spark.createDataFrame([], schema), set(self.stage.folder.names())
        for name in (ENCODED_ROWS, OTHER_ROWS):
            if name in present:
                rows = rows.unionByName(self._read(name, schema))
        return rows

    def _read(self, name: str, schema: T.StructType) -> DataFrame:
        """Return the rows of one folder. With their schema Spark need not look for it in the files."""
        return self.spark.read.schema(schema).parquet(self.stage.path(name))


@dataclass(frozen=True)
class OutputFiles:
    """The files of an output that is a folder, and the place of files that are to be put into it.

    Parameters
    ----------
    beside
        The folder that holds the output.
    name
        Name of the output.
    run
        Name of the stage.
    """

    beside: Folder
    name: str
    run: str

    @classmethod
    def of(cls, area: StagingArea, output: OutputConfig, run: str) -> OutputFiles:
        """Return the files of an output.

        Raises
        ------
        SetupError
            If this process cannot reach the folder of the output.
        """
        if area.beside is None:
            raise SetupError(
                f"--sync replaces files of output {output.path!r}, which this process cannot reach; install the "
                "package for that storage (s3fs, gcsfs, adlfs)"
            )
        return cls(area.beside, posixpath.basename(str(output.path).rstrip("/")), run)

    @property
    def new_files(self) -> str:
        """The folder of new files, as a path in `beside`: on the storage of the output, whatever --work is."""
        return f"_staging/{self.name}/{FILES_PREFIX}{self.run}"

    def names(self) -> list[str]:
        """Return the names of the output's files, and of folders in it."""
        return [name for name in (self.beside / self.name).names() if not name.startswith(("_", "."))]

    def fit(self, sync: Mapping[str, Any]) -> bool:
        """Tell whether the output has the files for which changes were staged, or some of their new versions.

        Otherwise another run has written it since: old rows would come back beside its rows.
        """
        names, moves = set(self.names()), sync.get("moves")
        if moves is None:
            return names == set(sync["files"])
        possible = set(sync["files"]) | set(moves["added"])
        needed = set(sync["files"]) - set(moves["removed"])
        return needed <= names <= possible
