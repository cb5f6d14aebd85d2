"""Publish what is new in the input since the last run, by Structured Streaming in bounded micro-batches.

Spark's checkpoint lists what was read. Each micro-batch is staged under its number and becomes one partition of the
output, so repeating a micro-batch after a kill doubles no row. A file that changes while it is read is held back and
read again by the next run, as a batch of its own.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException

from bert_spark.errors import DataError, LimitError, NoInputError
from bert_spark.runs.checkpoint_pin import (
    SPARK_FOLDER,
    check_checkpoint_and_output,
    mark_published,
    mark_publishing_begun,
    pinned_source,
)
from bert_spark.runs.held_files import HeldFiles
from bert_spark.runs.new_files import file_names
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.quality_limits import rows_differ
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.skipped_files import leave_out_refused_files
from bert_spark.runs.stage import StagedRun, rows_without_files
from bert_spark.runs.staged_files import compare_with_input, existing_files
from bert_spark.runs.staging_area import NEW_PREFIX
from bert_spark.runs.stream_source import StreamSource
from bert_spark.storage import Folder
from bert_spark.tables.outputs import qualified_path
from bert_spark.tables.repartitioning import spread_by_bytes
from bert_spark.tables.schema import MALFORMED_COLUMN, check_columns_free
from bert_spark.tables.writers import overwrite_files, vector_options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)

BATCH_PARTITION = "batch"


def publish_new(run: ScheduledRun) -> list[dict[str, Any]]:
    """Publish what earlier runs staged, then what is new, and return the records.

    Raises
    ------
    ConfigError
        If the checkpoint and the output do not belong together.
    NoInputError
        If nothing is new and `require_input` is set.
    LimitError
        If what was read is outside the limits. The rows stay staged. Later runs read nothing new until they are
        published or left out.
    """
    task = run.task
    path = str(task.output.path)
    address = path if task.output.format == "table" else qualified_path(run.spark, path)
    checkpoint = Folder(qualified_path(run.spark, str(run.schedule.checkpoint)))
    source = pinned_source(run, checkpoint, address)
    task = dataclasses.replace(task, source=source.input)
    run = dataclasses.replace(run, task=task)
    check_checkpoint_and_output(run, checkpoint, source)
    stage = StagedRun(run.area.staging / f"{NEW_PREFIX}{source.pin['id']}")
    check_same_model(run, stage)
    if stage.state is not None:
        mark_publishing_begun(checkpoint)
        _remember_held_files(stage, checkpoint)
    records = _publish_earlier_rows(run, source, stage, checkpoint)
    held = HeldFiles.of(checkpoint)
    _warn_of_changed_files(source, held)
    record = task.record(partition=BATCH_PARTITION)
    with _readable_header_errors(source):
        _stage_micro_batches(run, source, stage, checkpoint)
        _stage_held_files(run, source, stage, held)
    if _staged_batches(stage):
        _complete_stage(run, source, stage, record, held)
        mark_publishing_begun(checkpoint)
        _remember_held_files(stage, checkpoint)
        records.append(audit_and_publish(run, stage, run.limits))
    if any(record["rows_out"] for record in records):
        mark_published(checkpoint)
    if not records and run.schedule.require_input:
        raise NoInputError(
            f"nothing is new in {task.source.path!r}; the table is unchanged. Run again when new input has arrived"
        )
    return records


def _publish_earlier_rows(
    run: ScheduledRun, source: StreamSource, stage: StagedRun, checkpoint: Folder
) -> list[dict[str, Any]]:
    """Publish what an earlier run staged and did not publish.

    Rows that the limits refused are audited again. With `skip_refused` the files that are outside the limits are left
    out. Staged rows without a state belong to a killed run. Spark repeats its last micro-batch, and they are published
    together with what is new.
    """
    if stage.is_half_removed:
        stage.remove()
    if stage.state is not None and rows_differ(stage.state["record"]):  # earlier versions did not compare by file
        _complete_stage(run, source, stage, run.task.record(partition=BATCH_PARTITION), HeldFiles())
        _remember_held_files(stage, checkpoint)
    state = stage.state
    if state is None:
        return []
    if state["status"] == "refused" and run.schedule.skip_refused:
        leave_out_refused_files(run, stage)
        if stage.state is None:  # nothing is left
            return []
    logger.warning("publishing first what run %s had staged", state["record"]["run_id"])
    try:
        return [audit_and_publish(run, stage, run.limits)]
    except LimitError as err:
        raise LimitError(f"{err}. Until then no new input is read") from err


def _remember_held_files(stage: StagedRun, checkpoint: Folder) -> None:
    """Write to the checkpoint which files the state of the stage holds back. Repeating it changes nothing."""
    held = (stage.state or {}).get("held")
    if held is not None:
        HeldFiles.parse(held).save(checkpoint)


def _warn_of_changed_files(source: StreamSource, held: HeldFiles) -> None:
    changed = source.new.changed - set(held.files)
    if changed:
        logger.warning(
            "%d files have changed since they were read%s: rows that were added to them are in no batch. A file is "
            "read once; write new rows to a new file",
            len(changed),
            file_names(changed),
        )


def _stage_micro_batches(run: ScheduledRun, source: StreamSource, stage: StagedRun, checkpoint: Folder) -> None:
    """Encode what is new. Each micro-batch overwrites the folder of its number, which a killed run may have left."""
    target = stage.folder.uri

    # Spark Connect runs this function on the server: it may use strings only, and no names of this module.
    def write_batch(rows: DataFrame, number: int) -> None:
        rows.write.mode("overwrite").options(**options).parquet(f"{target}/batch={number}")

    rows = _without_batch_folders(source, source.read_stream(run.spark, run.schedule))
    if run.task.spreads_rows:
        rows = rows.repartition(source.tasks_per_batch(run.schedule))
    result = run.task.transform(rows)
    options = vector_options(result.schema)
    writer = result.writeStream.foreachBatch(write_batch).option("checkpointLocation", (checkpoint / SPARK_FOLDER).uri)
    with show_progress(run.spark, run.task.job):
        writer.trigger(availableNow=True).start().awaitTermination()


def _stage_held_files(run: ScheduledRun, source: StreamSource, stage: StagedRun, held: HeldFiles) -> None:
    """Encode the files that an earlier run held back. A kill changes nothing: the next run writes the same folder."""
    files = existing_files(run.spark, source, held.files)
    if not files:
        return
    logger.info("reading again %d files that changed while they were read", len(files))
    rows = _without_batch_folders(source, source.reread(run.spark, files))
    result = run.task.transform(spread_by_bytes(rows, run.task.source.partition_mb) if run.task.spreads_rows else rows)
    with show_progress(run.spark, run.task.job):
        overwrite_files(result, stage.path(f"{BATCH_PARTITION}={held.number}"))


@contextmanager
def _readable_header_errors(source: StreamSource) -> Iterator[None]:
    """Name the file and the columns if Spark refuses the header of a csv file."""
    try:
        yield
    except PySparkException as err:
        file = re.search(r"(?:error while reading file|CSV file:) (\S+?)\.?\s", str(err))
        if file is None or source.kind != "csv":
            raise
        columns = [name for name in source.schema.names if name != MALFORMED_COLUMN]
        raise DataError(
            f"can't read {file[1]} with the columns that the first run saw: its header must be {columns}, in this "
            "order. None of its rows is lost; correct the file and run again"
        ) from err


def _without_batch_folders(source: StreamSource, rows: DataFrame) -> DataFrame:
    """Return rows without the column `batch`, which names the output's partitions.

    The column is dropped if it only holds the names of another job's batch folders. A column of the data is refused.
    """
    only_folders = all(f"/{BATCH_PARTITION}=" in file for file in source.new.files)
    if BATCH_PARTITION not in rows.columns or source.kind in ("table", "delta") or not only_folders:
        check_columns_free(rows, {BATCH_PARTITION: ""})
        return rows
    logger.info("the input is another run's output: its %s= folders are not read as a column", BATCH_PARTITION)
    return rows.drop(BATCH_PARTITION)


def _complete_stage(
    run: ScheduledRun, source: StreamSource, stage: StagedRun, record: RunRecord, held: HeldFiles
) -> None:
    """Compare the staged batches with the input, count them and write their state."""
    batches = _staged_batches(stage)
    rows = stage.rows(run.spark, batches)
    files = compare_with_input(run.spark, source, rows)
    kept = rows_without_files(rows, files.held)
    counts = kept.agg(*run.task.output_counts()).first()
    content = record.finish((counts.asDict() if counts else {}) | files.input_counts())
    content["partition"] = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
    dropped = source.dropped_columns(run.spark, files.recounted)
    content |= {"columns_dropped": dropped} if dropped else {}
    content |= {"files_held": sorted(files.held)} if files.held else {}
    read_again = f"{BATCH_PARTITION}={held.number}" in batches
    times = {file: files.times[file] for file in held.files if file in files.counts and file in files.times}
    next_held = HeldFiles(
        tuple(sorted(files.held)),
        held.number + 1 if read_again else held.number,
        dict(held.read_again or {}) | (times if read_again else {}),
    )
    mark_staged(
        run,
        stage,
        batches,
        run.task.with_label_shift(content) | run.task.compared(kept),
        exclusive=True,
        held=next_held.facts,
        files=dict(files.counts),
    )


def _staged_batches(stage: StagedRun) -> list[str]:
    names = [name for name in stage.folder.names() if name.startswith(f"{BATCH_PARTITION}=")]
    return sorted(names, key=lambda name: int(name.partition("=")[2]))
