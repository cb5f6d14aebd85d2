"""Publish staged changes: one MERGE into a table, or new versions of those files of a folder that hold changed rows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.errors import DataError
from bert_spark.runs.made_from import mark_table
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.sync_stage import OutputFiles, StagedChanges
from bert_spark.tables.changed_files import NUMBER, file_name, write_new_rows, write_new_versions
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.merged_table import holds_changes, merge_changes
from bert_spark.tables.outputs import read_output
from bert_spark.tables.sync_plan import ADDED, CHANGE, REMOVED
from bert_spark.tables.sync_rows import FILE, ID, SyncedColumns

if TYPE_CHECKING:
    from bert_spark.runs.publish import Publisher

logger = logging.getLogger(__name__)


def publish_changes(run: Publisher, stage: StagedRun, state: dict[str, Any]) -> None:
    """Bring staged changes into the output. It may be repeated after a kill.

    Raises
    ------
    DataError
        If another run has written the output since the changes were staged, or the new files lack a row.
    LockedError
        If another run has taken the lock.
    """
    output = OutputConfig(**state["output"])
    changes = StagedChanges(run.spark, stage, SyncedColumns.parse(state["sync"]["columns"]))
    run.lock.check()
    if output.format == "table":
        _merge(run, changes, state["sync"], output)
    else:
        _replace_files(run, changes, state, output)
    run.lock.remember_place()


def _merge(run: Publisher, changes: StagedChanges, sync: dict[str, Any], output: OutputConfig) -> None:
    """Merge the changes into a table, unless a killed run has merged them: each MERGE leaves a snapshot."""
    removed = changes.plan.where(F.col(CHANGE) == REMOVED).select(ID)
    upserts, columns = changes.upserts, changes.columns
    begun = sync.get("begun", False)
    if not (begun and holds_changes(read_output(run.spark, output), removed, upserts, columns)):
        changes.stage.save(sync=sync | {"begun": True})
        merge_changes(run.spark, output, removed, upserts, columns)
    mark_table(run.spark, output, columns.schema)


def _replace_files(run: Publisher, changes: StagedChanges, state: dict[str, Any], output: OutputConfig) -> None:
    files = OutputFiles.of(run.area, output, changes.stage.folder.uri.rpartition("/")[2])
    sync = state["sync"]
    if not files.fit(sync):
        raise DataError(
            f"output {output.path!r} was written since run {state['record']['run_id']} staged its changes; nothing was "
            f"changed. Give them up with --discard {state['record']['run_id']}, and run the job again"
        )
    if "moves" not in sync:
        sync = sync | {"moves": _write_files(run, changes, files, state, output)}
        changes.stage.save(sync=sync)
    _put_in_place(run, files, sync["moves"])
    files.beside.remove(files.new_files)


def _write_files(
    run: Publisher, changes: StagedChanges, files: OutputFiles, state: dict[str, Any], output: OutputConfig
) -> dict[str, Any]:
    """Write the new files beside the output; return which files they add, replace and remove."""
    sync, record = state["sync"], state["record"]
    upserts, columns = changes.upserts, changes.columns
    plan = changes.plan.withColumn(
        FILE, F.when(F.col(CHANGE) == ADDED, F.lit(sync["file_of_new_rows"])).otherwise(F.col(FILE))
    )
    target = f"{files.beside.uri}/{files.new_files}"
    concerned = sorted(row[0] for row in plan.where(F.col(FILE).isNotNull()).select(FILE).distinct().collect())
    moves: dict[str, Any] = {"added": [], "replaced": {}, "removed": []}
    expected, written_rows = record["rows_added"] - record["rows_removed"], 0
    if concerned:
        expected += _rows(run, literal_paths(concerned))
        write_new_versions(run.spark, concerned, plan, upserts, columns, f"{target}/versions")
        written = set((files.beside / files.new_files / "versions").names())
        for number, uri in enumerate(concerned):
            folder = f"{NUMBER}={number}"
            if folder in written:
                (new,) = _data_files(files, f"versions/{folder}")
                moves["replaced"][file_name(uri)] = f"versions/{folder}/{new}"
            else:
                moves["removed"].append(file_name(uri))
        written_rows += _rows(run, [f"{target}/versions"]) if moves["replaced"] else 0
    if sync["replaces_all"]:  # files without rows have the old columns too
        moves["removed"] += sorted(set(sync["files"]) - {file_name(uri) for uri in concerned})
    if sync["own_files"]:
        moves["added"] = write_new_rows(run.spark, plan, upserts, columns, output, f"{target}/added")
        written_rows += _rows(run, [f"{target}/added"])
    if written_rows != expected:
        run_id = record["run_id"]
        raise DataError(
            f"the new files of output {output.path!r} hold {written_rows} rows, and {expected} were expected; nothing "
            f"was changed. Run the same command again, or give the changes up with --discard {run_id}"
        )
    return moves


def _rows(run: Publisher, paths: list[str]) -> int:
    return run.spark.read.parquet(*paths).count()


def _data_files(files: OutputFiles, folder: str) -> list[str]:
    return [name for name in (files.beside / files.new_files / folder).names() if name.startswith("part-")]


def _put_in_place(run: Publisher, files: OutputFiles, moves: dict[str, Any]) -> None:
    """Add new files, replace changed ones and remove empty ones: at no moment is an id missing or there twice."""
    new = files.beside / files.new_files
    for name in moves["added"]:
        _put(run, files, name, "added", new, name)
    for name, path in moves["replaced"].items():
        folder, _, file = path.rpartition("/")
        _put(run, files, name, folder, new, file)
    for name in moves["removed"]:
        run.lock.check()
        files.beside.remove(f"{files.name}/{name}")


def _put(run: Publisher, files: OutputFiles, name: str, folder: str, new: Any, file: str) -> None:
    if (new / folder).exists(file):  # otherwise a killed run has put it in place
        run.lock.check()
        files.beside.replace_file(f"{files.name}/{name}", f"{files.new_files}/{folder}/{file}")
