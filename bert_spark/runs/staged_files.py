"""Compare the staged rows of an incremental run with its input, file by file.

A file that changed while it was read, or whose records and staged rows differ in number, is held back: the others are
published without it. Publishes nothing itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from bert_spark.runs.stage import FILE_COLUMN, FILE_SIZE_COLUMN, FILE_TIME_COLUMN
from bert_spark.runs.stream_source import StreamSource
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.row_counts import INPUT_COUNTS, input_counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _FileState:
    """A file when Spark listed it: bytes, time of the last change in ms. None if it is not known."""

    size: int | None
    time_ms: int | None


@dataclass(frozen=True)
class StagedFiles:
    """What the files of staged rows hold.

    Parameters
    ----------
    counts
        File -> the counts of its records, `row_counts.INPUT_COUNTS`. Files that are held back are not in it.
    held
        Files that are held back.
    times
        File -> time of its last change when it was read, in ms.
    gone
        Files that cannot be read again. They are counted by their staged rows.
    """

    counts: Mapping[str, Mapping[str, int]]
    held: list[str] = field(default_factory=list)
    times: Mapping[str, int] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    @property
    def recounted(self) -> list[str]:
        """The files that were read again, and are not held back."""
        return sorted(set(self.counts) - set(self.gone))

    def input_counts(self) -> dict[str, Any]:
        """Return the counts of all files together."""
        total: dict[str, Any] = {name: sum(counts[name] for counts in self.counts.values()) for name in INPUT_COUNTS}
        return total | {"rows_in_recounted": False} if self.gone else total


def compare_with_input(spark: SparkSession, source: StreamSource, rows: DataFrame) -> StagedFiles:
    """Read the files of staged rows again, without BERT, and compare their records with the rows.

    A stream's own counts end with its process, so they could not be compared after a kill.

    Parameters
    ----------
    spark
        The session.
    source
        The input.
    rows
        All staged rows, with the hidden columns that name their file.
    """
    staged, states = _staged(rows)
    present = sorted(set(staged) & set(_current_states(spark, source, staged)))
    records = _records_by_file(spark, source, present)
    current = _current_states(spark, source, present)  # a file that is still the same was the same meanwhile
    differ = [] if records is None else [file for file in present if _records_of(file, records) != staged[file]]
    if source.is_table:  # a file that holds none of its records any more has been rewritten
        differ = [file for file in differ if file in (records or {})]
    changed = [file for file in present if states[file].time_ms is not None and states[file] != current.get(file)]
    held = sorted(set(current) & {*differ, *changed})
    records = records or {}
    gone = sorted(set(staged) - set(held) - set(records))
    if gone:  # archived meanwhile, or a table format has rewritten its files
        logger.warning("the input's records cannot be counted again: files of %s are missing", source.input.path)
    counts = {file: records.get(file) or _as_staged(staged[file]) for file in staged if file not in held}
    times = {file: state.time_ms for file, state in states.items() if state.time_ms is not None}
    return StagedFiles(counts, held, times, gone)


def existing_files(spark: SparkSession, source: StreamSource, files: Collection[str]) -> list[str]:
    """Return those of some files of the input that still exist."""
    existing = sorted(_current_states(spark, source, files))
    if len(existing) < len(files):
        logger.warning("%d files that were to be read again are gone", len(files) - len(existing))
    return existing


def _records_of(file: str, records: Mapping[str, Mapping[str, int]]) -> int:
    return records[file]["rows_in"] if file in records else 0


def _as_staged(rows: int) -> dict[str, int]:
    return dict.fromkeys(INPUT_COUNTS, 0) | {"rows_in": rows}


def _staged(rows: DataFrame) -> tuple[dict[str, int], dict[str, _FileState]]:
    """Return each file's staged rows, and its state when Spark listed it."""
    columns = {name: F.max(name) for name in (FILE_SIZE_COLUMN, FILE_TIME_COLUMN) if name in rows.columns}
    size, time = (columns.get(name, F.lit(None)) for name in (FILE_SIZE_COLUMN, FILE_TIME_COLUMN))
    counted = rows.groupBy(FILE_COLUMN).agg(F.count(F.lit(1)), size, time).collect()
    return {row[0]: row[1] for row in counted}, {row[0]: _FileState(row[2], row[3]) for row in counted}


def _current_states(spark: SparkSession, source: StreamSource, files: Iterable[str]) -> dict[str, _FileState]:
    """Return the state of those files that still exist. A table's files do not change: nothing is known of them."""
    files = set(files)
    if source.is_table:
        return dict.fromkeys(files, _FileState(None, None))
    reader = spark.read.format("binaryFile")
    try:
        listing = reader.load(literal_paths(files)) if files else None
    except AnalysisException:  # one of them is gone
        listing = _whole_listing(spark, source)
    if listing is None:
        return {}
    time = F.unix_millis("modificationTime")
    rows = listing.select(F.col("_metadata.file_path"), "length", time).collect()
    return {row[0]: _FileState(row[1], row[2]) for row in rows if row[0] in files}


def _whole_listing(spark: SparkSession, source: StreamSource) -> DataFrame | None:
    try:
        return spark.read.format("binaryFile").load(str(source.input.path))
    except AnalysisException:  # all of it is gone
        return None


def _records_by_file(spark: SparkSession, source: StreamSource, files: list[str]) -> dict[str, dict[str, int]] | None:
    """Return the counts of each file's records; None if the files cannot be read any more."""
    if not files:
        return {}
    try:
        records = source.reread(spark, files)
        rows = records.groupBy(FILE_COLUMN).agg(*input_counts(records, source.input.text_column)).collect()
    except AnalysisException as err:
        logger.warning("%s", str(err).splitlines()[0])
        return None
    return {row[FILE_COLUMN]: {name: row[name] for name in INPUT_COUNTS} for row in rows}
