"""Lock an output for one run, whatever its --work is, and find what runs with another --work have staged for it.

The output itself says where its runs stage their rows: a file beside it, or a property of the table.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from bert_spark.errors import ConfigError, LockedError
from bert_spark.runs.lock import Lock, acquired, end_lock_of_version_0_1
from bert_spark.runs.run_record import without_redacted_words
from bert_spark.runs.staging_area import PLACE_FILE, StagingArea, forget_progress, staged_names
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import path_exists, set_table_properties, table_properties

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

PLACE_PROPERTY = "bert_spark.staging"


class OutputLock:
    """The locks of an output, which this run holds. Call `check` before a step that cannot be undone."""

    def __init__(self, spark: SparkSession, output: OutputConfig, area: StagingArea, locks: list[Lock]) -> None:
        self._spark, self._output, self._area, self._locks = spark, output, area, locks

    def check(self) -> None:
        """Raise LockedError if another run has taken a lock, as it may while this machine sleeps.

        A table that did not exist when this run began may have been created meanwhile by a run with another --work.
        """
        for lock in self._locks:
            lock.check()
        place = _place(self._spark, self._output, self._area)
        if not _is_same_place(place, self._area):
            raise LockedError(
                f"a run that stages its rows in {place} has created {self._output.path} meanwhile. This run stops and "
                "publishes nothing more; run again"
            )

    def remember_place(self) -> None:
        """Store with the output where this run stages its rows. A table that does not exist yet stores nothing."""
        uri = self._area.staging.uri
        place = _place(self._spark, self._output, self._area)
        if place is not None and _is_same_place(place, self._area):
            return
        if self._output.format != "table":
            if self._area.beside is not None:
                self._area.lock_folders[0].write(PLACE_FILE, uri)
        elif path_exists(self._spark, str(self._output.path), "table"):
            text = without_redacted_words(json.dumps(uri))
            set_table_properties(self._spark, str(self._output.path), {PLACE_PROPERTY: text})


@contextmanager
def locked_output(spark: SparkSession, output: OutputConfig, area: StagingArea, run: str) -> Iterator[OutputLock]:
    """Hold the locks of an output while the block runs.

    Parameters
    ----------
    spark, output
        The session and the output.
    area
        Where the run stages its rows.
    run
        Description of the run, for the message that another run gets.

    Raises
    ------
    LockedError
        If another run holds a lock.
    ConfigError
        If a run with another --work has staged rows that are not published.
    """
    with ExitStack() as stack:
        locks = {}
        *beside, last = area.lock_folders
        for folder in (*beside, last):
            try:
                end_lock_of_version_0_1(folder)
                locks[folder.uri] = stack.enter_context(acquired(folder, run))
            except OSError as err:
                if folder is last:
                    raise
                logger.warning("no lock beside the output, only in --work: %s", err)
                area = dataclasses.replace(area, beside=None)
        while True:  # a table's place may change until its lock is held
            earlier = _place(spark, output, area)
            other = None if _is_same_place(earlier, area) else _lock_of_place(str(earlier))
            if other is None or output.format != "table" or other.uri in locks:
                break
            locks[other.uri] = stack.enter_context(acquired(other, run))
        _check_nothing_stranded(earlier, area)
        if not _is_same_place(earlier, area):  # the days of a range that a run with another --work has published
            forget_progress(Folder(str(earlier)))
        lock = OutputLock(spark, output, area, list(locks.values()))
        lock.remember_place()
        yield lock


def _place(spark: SparkSession, output: OutputConfig, area: StagingArea) -> str | None:
    """Return the folder in which the output's runs stage their rows; None if the output does not say."""
    if output.format != "table":
        return None if area.beside is None else area.lock_folders[0].read(PLACE_FILE)
    if not path_exists(spark, str(output.path), "table"):
        return None
    text = table_properties(spark, output).get(PLACE_PROPERTY)
    return None if text is None else str(json.loads(text))


def _is_same_place(place: str | None, area: StagingArea) -> bool:
    """Tell whether an output names this run's staging folder, or none."""
    return place is None or place.removeprefix("file:") == area.staging.uri.removeprefix("file:")


def _lock_of_place(staging: str) -> Folder:
    """Return the folder of locks that belongs to a staging folder, BASE/_staging/NAME."""
    base, _, name = staging.rpartition("/_staging/")
    return Folder(f"{base}/_locks/{name}")


def _check_nothing_stranded(earlier: str | None, area: StagingArea) -> None:
    """Raise ConfigError if rows are staged where this run does not look for them."""
    staged = [] if _is_same_place(earlier, area) else staged_names(Folder(str(earlier)))
    if staged:
        base = str(earlier).partition("/_staging/")[0].removeprefix("file:")
        raise ConfigError(
            f"earlier runs have staged rows for this output in {earlier}, which are not published: {', '.join(staged)}."
            f" A run with another --work would leave them there. Run with --work {base}, which settles them (without "
            "--work, if that is the folder of the output), or see them with jobs/history.py --staged"
        )
