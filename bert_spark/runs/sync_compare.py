"""Compare an input with the output that is kept in step with it, without BERT: stage what happens to each id."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from bert_spark.errors import DataError
from bert_spark.runs.day_filter import DAY_PARTITION
from bert_spark.runs.incremental import BATCH_PARTITION
from bert_spark.runs.made_from import made_from, stored_made_from, with_made_from
from bert_spark.runs.progress import show_progress
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.staging_area import SYNC_PREFIX
from bert_spark.runs.sync_stage import PLAN
from bert_spark.runs.task import Task
from bert_spark.spark.result_columns import input_columns
from bert_spark.tables.merged_table import ready_table
from bert_spark.tables.observed_counts import ObservedCounts
from bert_spark.tables.outputs import path_exists, read_output
from bert_spark.tables.references import find_columns
from bert_spark.tables.schema import drop_hidden
from bert_spark.tables.sync_plan import (
    ADDED,
    CHANGE,
    COLUMNS_CHANGED,
    REMOVED,
    TEXT_CHANGED,
    UNCHANGED,
    change_counts,
    check_ids,
    compared,
)
from bert_spark.tables.sync_rows import FILE, ID, SyncedColumns, check_id_column, described_input, described_output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Difference:
    """What differs between the input and the output: a staged plan, and its counts.

    Parameters
    ----------
    tweets, stored, columns
        The records of the input, the rows of the output (None if it does not exist), and the output's columns.
    stage, record
        The stage, and the record of the run.
    counts
        As `change_counts` names them.
    all_rows_differ
        Whether every row of the output is written anew, since its columns or the job's settings were others.
    """

    tweets: DataFrame
    stored: DataFrame | None
    columns: SyncedColumns
    stage: StagedRun
    record: RunRecord
    counts: dict[str, int]
    all_rows_differ: bool

    @classmethod
    def of(cls, run: ScheduledRun, tweets: DataFrame, stored: DataFrame | None, columns: SyncedColumns) -> Difference:
        """Compare the input with the output, without BERT, and stage what differs.

        Raises
        ------
        DataError
            If an id is missing or doubled.
        """
        task, record = run.task, run.task.record()
        stage = StagedRun(run.area.staging / f"{SYNC_PREFIX}{record.content['run_id']}")
        records = record.count_input(tweets, columns.text_column)
        now = described_input(records, input_columns(records, columns.text_column), columns)
        same_columns, same_texts = _what_is_same(run, stored, columns)
        if stored is None:
            before = run.spark.createDataFrame([], now.schema).withColumn(FILE, F.lit(""))
        else:
            file = F.lit(None).cast("string") if task.output.format == "table" else F.col("_metadata.file_path")
            before = described_output(stored, columns, file, same_columns=same_columns, same_texts=same_texts)
        counted = ObservedCounts(compared(now, before), change_counts())
        with show_progress(run.spark, f"{task.job}, comparing"):
            changed = counted.rows.where(F.col(CHANGE) != UNCHANGED).select(ID, CHANGE, FILE)
            changed.write.mode("overwrite").parquet(stage.path(PLAN))
        found = cls(tweets, stored, columns, stage, record, counted.result(), not (same_columns and same_texts))
        try:
            check_ids(found.counts, columns.id_column, str(task.source.path), str(task.output.path))
        except DataError:
            stage.remove()
            raise
        return found

    @property
    def changed_rows(self) -> int:
        """Number of ids that are changed."""
        return sum(self.counts[kind] for kind in (ADDED, TEXT_CHANGED, COLUMNS_CHANGED, REMOVED))

    @property
    def facts(self) -> dict[str, Any]:
        """The entries of the record."""
        changed = self.counts[TEXT_CHANGED] + self.counts[COLUMNS_CHANGED]
        return {
            "rows_before": self.counts["rows_before"],
            "rows_added": self.counts[ADDED],
            "rows_changed": changed,
            "rows_changed_without_bert": self.counts[COLUMNS_CHANGED],
            "rows_removed": self.counts[REMOVED],
            "rows_unchanged": self.counts[UNCHANGED],
            "rows_encoded": 0,
        }


def _what_is_same(run: ScheduledRun, stored: DataFrame | None, columns: SyncedColumns) -> tuple[bool, bool]:
    """Tell whether the output's columns of the input are those of now, and whether its results hold for equal texts."""
    if stored is None:
        return False, False
    types = {field.name: field.dataType.simpleString() for field in stored.schema.fields}
    wanted = {field.name: field.dataType.simpleString() for field in columns.schema.fields}
    # A table keeps its types, and columns of its own.
    same_columns = run.task.output.format == "table" or (
        types.keys() == wanted.keys() and all(types[name] == wanted[name] for name in columns.kept)
    )
    same_texts = _computes_the_same(run, stored, columns)
    if not same_texts:
        logger.warning("all rows of %s are computed anew: they were made with other settings", run.task.output.path)
    return same_columns, same_texts


def _computes_the_same(run: ScheduledRun, stored: DataFrame, columns: SyncedColumns) -> bool:
    """Tell whether the computed columns of the output are those of this run for the same text."""
    if not find_columns(stored.schema, columns.text_column) or not set(columns.computed) <= set(stored.columns):
        return False
    earlier = stored_made_from(stored, run.task, run.schedule.work)
    return earlier == made_from(run.task) or (earlier is None and run.task.output.trust_output)


def synced_columns(task: Task, tweets: DataFrame) -> SyncedColumns:
    """Return the columns of the output. Refuses names and types that can't be; runs no BERT."""
    id_column = str(task.source.id_column)
    check_id_column(tweets, id_column, f"input {task.source.path!r}")
    kept = tweets.select(*input_columns(tweets, task.source.text_column)).columns
    schema = drop_hidden(task.transform(task.spread(tweets, 1))).schema
    computed = tuple(name for name in schema.names if name not in kept)
    schema = with_made_from(schema, task.output.error_column, made_from(task))
    return SyncedColumns(id_column, task.source.text_column, task.output.error_column, schema, computed)


def stored_rows(run: ScheduledRun, columns: SyncedColumns) -> DataFrame | None:
    """Return the rows of the output; None if it does not exist. A table is created if it does not exist."""
    output = run.task.output
    if output.format == "table":
        if not ready_table(run.spark, output, columns):
            return None
    elif not path_exists(run.spark, str(output.path), output.format):
        return None
    try:
        stored = read_output(run.spark, output)
    except AnalysisException:  # a folder without any file in it yet
        return None
    partitions = {DAY_PARTITION, BATCH_PARTITION} & (set(stored.columns) - set(columns.schema.names))
    if partitions:
        raise DataError(
            f"output {output.path!r} has the partition column {partitions.pop()!r}: it was written by another kind of "
            "run; pass another --output"
        )
    check_id_column(stored, columns.id_column, f"output {output.path!r}")
    return stored
