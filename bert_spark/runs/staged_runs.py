"""Show what runs have staged and not published, and publish it as it is or give it up.

Spark is needed to publish, and to give up rows on a branch of a table.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, FingerprintError
from bert_spark.runs.config import LimitsConfig
from bert_spark.runs.lock import acquired
from bert_spark.runs.stage import StagedRun, remove_stage
from bert_spark.runs.staging_area import PLACE_FILE, StagingArea, staged_names
from bert_spark.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.runs.output_lock import OutputLock

logger = logging.getLogger(__name__)

_NO_LIMITS = LimitsConfig(max_missing_share=1.0, max_error_share=1.0, max_undated_share=1.0, max_removed_share=1.0)


@dataclass(frozen=True)
class _Staged:
    """A run's staged rows and the folders that they belong to."""

    area: StagingArea
    stage: StagedRun
    state: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The run's id. Rows of a killed run that are incomplete have none: their folder's name stands for it."""
        return str(self.state["record"]["run_id"]) if self.state else self.stage.folder.uri.rpartition("/")[2]


@dataclass(frozen=True)
class _Publishing:
    """What `publish.audit_and_publish` needs of a run."""

    spark: SparkSession
    area: StagingArea
    lock: OutputLock


def staged_table(output: str, work: str | None) -> str:
    """Return the staged rows of an output as a table, with the reason why they are not published.

    Parameters
    ----------
    output
        The output's path or table.
    work
        The `--work` of the runs; None if it was not set, or if the output is a folder, which remembers it.
    """
    import pandas as pd

    found = _staged(output, work)
    if not found:
        return "no rows are staged for this output"
    rows = [
        {
            "run": staged.run_id,
            "partition": ", ".join(staged.state.get("partitions", ())),
            "status": staged.state.get("status", "incomplete: the next run removes or completes it"),
            "rows": staged.state.get("record", {}).get("rows_out", ""),
            "why": "; ".join(staged.state.get("problems", ())),
            "place": staged.stage.place,
        }
        for staged in found
    ]
    return pd.DataFrame(rows).to_string(index=False)


def discard_staged(
    output: str, work: str | None, run_id: str, session: Callable[[], AbstractContextManager[SparkSession]]
) -> str:
    """Remove the staged rows of a run and return what was done. The output stays as it is.

    Parameters
    ----------
    output, work, run_id
        The output, the `--work` of the runs, and the run.
    session
        Starts Spark. Called only if the rows are on a branch of a table.

    Raises
    ------
    ConfigError
        If no such run has staged rows, or some of them are in the output already.
    LockedError
        If a run is at work.
    """
    staged = _find(output, work, run_id)
    if "moves" in staged.state.get("sync", {}):
        raise ConfigError(
            f"run {run_id} was killed while it put its files in place, and some of them are; run the job again, which "
            f"completes it, or pass --publish {run_id}"
        )
    with ExitStack() as stack:
        spark = stack.enter_context(session()) if staged.stage.branch is not None else None
        stack.enter_context(_locked(staged.area, f"--discard {run_id}"))
        if staged.state:
            staged.area.save_record(staged.state["record"] | {"status": "discarded"})
        if spark is None:
            staged.stage.remove()
        else:
            remove_stage(spark, staged.stage)
    rows = staged.state.get("record", {}).get("rows_out", "the incomplete")
    return f"discarded {rows} rows that run {run_id} had staged; {output} is unchanged"


def publish_staged(spark: SparkSession, output: str, work: str | None, run_id: str) -> str:
    """Publish the staged rows of a run, whatever the limits say, and return what was done.

    Raises
    ------
    ConfigError
        If no such run has complete staged rows.
    FingerprintError
        If the output holds another model's vectors or labels.
    LimitError
        If the number of rows differs from that of the input's records.
    LockedError
        If a run is at work.
    """
    from bert_spark.runs.output_lock import locked_output
    from bert_spark.runs.publish import audit_and_publish
    from bert_spark.tables.config import OutputConfig
    from bert_spark.tables.outputs import path_exists
    from bert_spark.tables.ownership import conflicting_owner
    from bert_spark.tables.recorded_models import recorded_owner

    staged = _find(output, work, run_id)
    if not staged.state or staged.stage.is_half_removed or staged.stage.has_lost_rows(spark):
        raise ConfigError(f"the staged rows of {run_id} are incomplete; run the job again, which encodes them")
    target = OutputConfig(**staged.state["output"])
    if path_exists(spark, str(target.path), target.format):
        conflict = conflicting_owner(
            spark,
            target,
            staged.state.get("identity", {}),
            lambda: recorded_owner(spark, target, staged.area.base.uri),
        )
        if conflict:
            raise FingerprintError(f"{conflict}; give these rows up with --discard {run_id}")
    with locked_output(spark, target, staged.area, f"--publish {run_id}") as lock:
        record = audit_and_publish(_Publishing(spark, staged.area, lock), staged.stage, _NO_LIMITS)
    return f"published {record['rows_out']} rows that run {run_id} had staged in {record.get('partition', output)}"


def _find(output: str, work: str | None, run_id: str) -> _Staged:
    found = _staged(output, work)
    for staged in found:
        if staged.run_id == run_id:
            return staged
    known = ", ".join(staged.run_id for staged in found) or "none"
    raise ConfigError(f"no rows of run {run_id!r} are staged for {output}; staged are: {known}")


@contextmanager
def _locked(area: StagingArea, run: str) -> Iterator[None]:
    with ExitStack() as stack:
        for folder in area.lock_folders:
            stack.enter_context(acquired(folder, run))
        yield


def _staged(output: str, work: str | None) -> list[_Staged]:
    stages = [
        (area, StagedRun(area.staging / name)) for area in _areas(output, work) for name in staged_names(area.staging)
    ]
    return [_Staged(area, stage, stage.state or {}) for area, stage in stages]


def _areas(output: str, work: str | None) -> list[StagingArea]:
    """Return the folders in which runs may have staged rows of an output: those that it names, and that of --work."""
    address, base = _local(output.rstrip("/")), work and _local(work)
    name = posixpath.basename(address)
    if base is None and "/" not in output and not Folder(posixpath.dirname(address)).exists("_staging"):
        return []  # a table, whose folders only --work names
    beside = Folder(posixpath.dirname(address))
    areas = {}
    place = (beside / f"_locks/{name}").read(PLACE_FILE) if base is None else None
    folders = [_local(place)] if place else []
    if base is None:
        folders.append(f"{beside.uri}/_staging/{name}")
    else:
        names = (Folder(base) / "_staging").names()
        own = re.compile(rf"{re.escape(name)}(-[0-9a-f]{{8}})?")
        folders += [f"{base}/_staging/{found}" for found in names if found == output or own.fullmatch(found)]
    for folder in folders:
        start, _, staging_name = folder.rpartition("/_staging/")
        is_table = staging_name == output
        areas[folder] = StagingArea(Folder(start), staging_name, output, None if is_table else beside)
    return list(areas.values())


def _local(path: str) -> str:
    """Return a local path as an absolute path without a scheme, and any other address as it is."""
    if re.match(r"(?!file:)[a-z][a-z0-9+.-]*:", path):
        return path
    return os.path.abspath(re.sub("^file:/+", "/", path))
