"""Publish what is new in the input since the last run, by Structured Streaming in bounded micro-batches.

Spark's checkpoint lists what was read. Each micro-batch is staged under its number and becomes one partition of the
output, so repeating a micro-batch after a kill doubles no row.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

from bert_spark.errors import DataError, LimitError, NoInputError
from bert_spark.runs.checkpoint_pin import (
    SPARK_FOLDER,
    check_checkpoint_and_output,
    mark_published,
    mark_publishing_begun,
    pinned_source,
)
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.staging_area import StagedRun
from bert_spark.runs.stream_source import FILE_COLUMN, StreamSource
from bert_spark.storage import Folder
from bert_spark.tables.outputs import qualified_path
from bert_spark.tables.repartitioning import DEFAULT_PARTITIONS, partition_count
from bert_spark.tables.row_counts import INPUT_COUNTS, input_counts
from bert_spark.tables.schema import MALFORMED_COLUMN, check_columns_free

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

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
    check_checkpoint_and_output(run, checkpoint, source)
    stage = StagedRun(run.area.staging / f"new-{source.pin['id']}")
    check_same_model(stage, task)
    if stage.state is not None:
        mark_publishing_begun(checkpoint)
    records = _publish_earlier_rows(run, stage)
    record = task.record(partition=BATCH_PARTITION)
    _stage_micro_batches(run, source, stage, checkpoint)
    if _staged_batches(stage):
        _complete_stage(run, source, stage, record)
        mark_publishing_begun(checkpoint)
        records.append(audit_and_publish(run, stage, run.limits))
    if records:
        mark_published(checkpoint)
    if not records and run.schedule.require_input:
        raise NoInputError(
            f"nothing is new in {task.source.path!r}; the table is unchanged. Run again when new input has arrived"
        )
    return records


def _publish_earlier_rows(run: ScheduledRun, stage: StagedRun) -> list[dict[str, Any]]:
    """Publish what an earlier run staged and did not publish.

    Rows that the limits refused are audited again, or left out if `skip_refused` is set. Staged rows without a state
    belong to a killed run. Spark repeats its last micro-batch, and they are published together with what is new.
    """
    if stage.is_half_removed:
        stage.remove()
    state = stage.state
    if state is None:
        return []
    if state["status"] == "refused" and run.schedule.skip_refused:
        run.area.save_record(state["record"] | {"status": "skipped", "problems": state["problems"]})
        stage.remove()
        return []
    logger.warning("publishing first what run %s had staged", state["record"]["run_id"])
    try:
        return [audit_and_publish(run, stage, run.limits)]
    except LimitError as err:
        raise LimitError(f"{err}. Until then no new input is read") from err


def _stage_micro_batches(run: ScheduledRun, source: StreamSource, stage: StagedRun, checkpoint: Folder) -> None:
    """Encode what is new. Each micro-batch overwrites the folder of its number, which a killed run may have left."""
    target = stage.folder.uri

    # Spark Connect runs this function on the server: it may use strings only, and no names of this module.
    def write_batch(rows: DataFrame, number: int) -> None:
        rows.write.mode("overwrite").parquet(f"{target}/batch={number}")

    rows = _without_batch_folders(source, source.read_stream(run.spark, run.schedule))
    if run.task.spreads_rows:
        rows = rows.repartition(_tasks_per_batch(run, source))
    result = run.task.transform(rows)
    writer = result.writeStream.foreachBatch(write_batch).option("checkpointLocation", (checkpoint / SPARK_FOLDER).uri)
    try:
        with show_progress(run.spark, run.task.job):
            writer.trigger(availableNow=True).start().awaitTermination()
    except PySparkException as err:
        file = re.search(r"(?:error while reading file|CSV file:) (\S+?)\.?\s", str(err))
        if file is None or source.kind != "csv":
            raise
        columns = [name for name in source.schema.names if name != MALFORMED_COLUMN]
        raise DataError(
            f"can't read {file[1]} with the columns that the first run saw: its header must be {columns}, in this "
            "order. None of its rows is lost; correct the file and run again"
        ) from err


def _tasks_per_batch(run: ScheduledRun, source: StreamSource) -> int:
    """Return over how many tasks the rows of one micro-batch are spread, by its bytes of text."""
    size, files = source.new.size, len(source.new.files)
    if size is None:
        return DEFAULT_PARTITIONS
    if run.schedule.max_bytes is not None:
        size = min(size, run.schedule.max_bytes)
    elif files > run.schedule.max_files:
        size = size * run.schedule.max_files // files
    return partition_count(size, run.task.source.partition_mb)


def _without_batch_folders(source: StreamSource, rows: DataFrame) -> DataFrame:
    """Return rows without the column `batch`, which names the output's partitions.

    The column is dropped if it only holds the names of another job's batch folders. A column of the data is refused.
    """
    only_folders = all(f"/{BATCH_PARTITION}=" in file for file in source.new.files)
    if BATCH_PARTITION not in rows.columns or source.kind in ("table", "delta") or not only_folders:
        check_columns_free(rows, [BATCH_PARTITION])
        return rows
    logger.info("the input is another run's output: its %s= folders are not read as a column", BATCH_PARTITION)
    return rows.drop(BATCH_PARTITION)


def _complete_stage(run: ScheduledRun, source: StreamSource, stage: StagedRun, record: RunRecord) -> None:
    """Count the staged micro-batches and write their state."""
    batches = _staged_batches(stage)
    rows = stage.rows(run.spark, batches)
    counts = rows.agg(*run.task.output_counts()).first()
    content = record.finish((counts.asDict() if counts else {}) | _recount_input(run.spark, source, rows))
    content["partition"] = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
    mark_staged(run, stage, batches, run.task.with_label_shift(content), exclusive=True)


def _recount_input(spark: SparkSession, source: StreamSource, rows: DataFrame) -> dict[str, Any]:
    """Count the records of the staged rows' files, by reading those files again without BERT.

    A stream's own counts end with its process, so they could not be compared after a kill.
    """
    files = [row[0] for row in rows.select(FILE_COLUMN).distinct().collect()]
    try:
        records = source.reread(spark, files)
        file_count = F.count_distinct(FILE_COLUMN) if FILE_COLUMN in records.columns else F.lit(len(files))
        counts = records.agg(*input_counts(records, source.input.text_column), file_count.alias("files")).first()
    except AnalysisException as err:
        logger.warning("%s", str(err).splitlines()[0])
        counts = None
    if counts is None or counts["files"] < len(files):  # a table format has rewritten its files meanwhile
        logger.warning("the input's records cannot be counted again: files of %s are missing", source.input.path)
        return dict.fromkeys(INPUT_COUNTS, 0) | {"rows_in": rows.count(), "rows_in_recounted": False}
    dropped = source.dropped_columns(spark, files)
    return {name: counts[name] for name in INPUT_COUNTS} | ({"columns_dropped": dropped} if dropped else {})


def _staged_batches(stage: StagedRun) -> list[str]:
    names = [name for name in stage.folder.names() if name.startswith(f"{BATCH_PARTITION}=")]
    return sorted(names, key=lambda name: int(name.partition("=")[2]))
