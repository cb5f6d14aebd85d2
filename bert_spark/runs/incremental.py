"""Publish what is new in the input since the last run: Structured Streaming, one bounded micro-batch after the other.

Spark's checkpoint knows what was read. Each micro-batch is staged under its number and becomes one partition of the
output, so that doing one again after a kill doubles nothing.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

from bert_spark.errors import ConfigError, DataError, LimitError, NoInputError
from bert_spark.runs.checkpoint_pin import SPARK_FOLDER, check_checkpoint_and_output, mark_checkpoint, pinned_source
from bert_spark.runs.config import LimitsConfig, ScheduleConfig
from bert_spark.runs.lock import Lock
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.staging_area import StagedRun, StagingArea, qualified_path
from bert_spark.runs.stream_source import FILE_COLUMN, StreamSource
from bert_spark.runs.task import Task
from bert_spark.tables.partitioning import DEFAULT_PARTITIONS, partition_count
from bert_spark.tables.row_counts import INPUT_COUNTS, input_counts
from bert_spark.tables.schema import MALFORMED_COLUMN, check_columns_free
from bert_spark.tables.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

BATCH_PARTITION = "batch"


def publish_new(
    spark: SparkSession, task: Task, schedule: ScheduleConfig, limits: LimitsConfig, area: StagingArea, lock: Lock
) -> list[dict[str, Any]]:
    """Publish what earlier runs have left, then what is new; return the records.

    Raises
    ------
    ConfigError
        When the output holds rows that this checkpoint knows nothing of.
    NoInputError
        When there is nothing new and some input is required.
    LimitError
        When what was read is outside the limits. It stays staged, and no later run goes on before it is settled.
    """
    if task.source.fail_on_malformed:
        raise ConfigError(
            "got --fail-on-malformed with --incremental, which reads no row twice; set --max-error-share 0"
        )
    path = str(task.output.path)
    address = path if task.output.format == "table" else qualified_path(spark, path)
    checkpoint = Folder(qualified_path(spark, str(schedule.checkpoint)))
    arrivals = pinned_source(spark, task.source, task.identity, schedule, checkpoint, address)
    check_checkpoint_and_output(spark, checkpoint, arrivals, task.output)
    stage = StagedRun(area.staging / f"new-{arrivals.pin['id']}")
    check_same_model(stage, task)
    if stage.state is not None:
        mark_checkpoint(checkpoint, "begun")
    records = _publish_leftovers(spark, schedule, limits, area, lock, stage)
    record = task.record(partition=BATCH_PARTITION)
    _stage_new(spark, task, schedule, arrivals, stage, checkpoint)
    batches = _staged_batches(stage)
    if batches:
        rows = stage.rows(spark, batches)
        counts = rows.agg(*task.output_counts()).first()
        content = record.finish((counts.asDict() if counts else {}) | _recount_input(spark, task, arrivals, rows))
        content["partition"] = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
        mark_staged(stage, task, batches, task.with_label_shift(content), limits, own=True)
        mark_checkpoint(checkpoint, "begun")
        records.append(audit_and_publish(spark, area, lock, stage, limits))
    if records:
        mark_checkpoint(checkpoint, "published")
    if not records and schedule.require_input:
        raise NoInputError(f"nothing is new in {task.source.path!r}; the table is as it was")
    return records


def _publish_leftovers(
    spark: SparkSession, schedule: ScheduleConfig, limits: LimitsConfig, area: StagingArea, lock: Lock, stage: StagedRun
) -> list[dict[str, Any]]:
    """Publish what was staged and not published; what the limits refused is audited anew, or left out on request.

    Staged rows without a state are a killed run's: Spark takes up its micro-batch, and they are published with the new.
    """
    if stage.is_half_removed:
        stage.remove()
    state = stage.state
    if state is None:
        return []
    if state["status"] == "refused" and schedule.skip_refused:
        area.save_record(state["record"] | {"status": "skipped", "problems": state["problems"]})
        stage.remove()
        return []
    logger.warning("settling what run %s had staged", state["record"]["run_id"])
    try:
        return [audit_and_publish(spark, area, lock, stage, limits)]
    except LimitError as err:
        raise LimitError(
            f"{err}; nothing new is read before that. --skip-refused leaves those rows out for good"
        ) from err


def _stage_new(
    spark: SparkSession,
    task: Task,
    schedule: ScheduleConfig,
    arrivals: StreamSource,
    stage: StagedRun,
    checkpoint: Folder,
) -> None:
    """Encode what is new, each micro-batch into a folder named by its number, over whatever a killed run left there."""
    target = stage.folder.uri
    size, files = arrivals.new.size, len(arrivals.new.files)
    if size is not None and schedule.max_bytes is not None:
        size = min(size, schedule.max_bytes)
    elif size is not None and files > schedule.max_files:
        size = size * schedule.max_files // files
    tasks = DEFAULT_PARTITIONS if size is None else partition_count(size, task.source.partition_mb)

    def write(
        rows: DataFrame, number: int
    ) -> None:  # Connect runs it on the server: it holds two texts, and no names of ours
        rows.write.mode("overwrite").parquet(f"{target}/batch={number}")

    rows = task.transform(_without_batch_column(arrivals, arrivals.stream(spark, schedule)).repartition(tasks))
    writer = rows.writeStream.foreachBatch(write).option("checkpointLocation", (checkpoint / SPARK_FOLDER).uri)
    try:
        with show_progress(spark, task.job):
            writer.trigger(availableNow=True).start().awaitTermination()
    except PySparkException as err:
        unread = re.search(r"(?:error while reading file|CSV file:) (\S+?)\.?\s", str(err))
        if unread is None or arrivals.kind != "csv":
            raise
        columns = [name for name in arrivals.schema.names if name != MALFORMED_COLUMN]
        raise DataError(
            f"can't read {unread[1]} with the columns that the first run saw: its header must be {columns}, in this "
            "order. Nothing of it is lost: mend it and run again"
        ) from err


def _without_batch_column(arrivals: StreamSource, rows: DataFrame) -> DataFrame:
    """Return rows without the column that the output's partitions are to be named by.

    It is dropped where it is but the folders of another job's batches; a column of the data is refused.
    """
    of_folders = all(f"/{BATCH_PARTITION}=" in file for file in arrivals.new.files)
    if BATCH_PARTITION not in rows.columns or arrivals.kind in ("table", "delta") or not of_folders:
        check_columns_free(rows, [BATCH_PARTITION])
        return rows
    logger.info("the input's folders %s=... are another run's batches, and no column of the output", BATCH_PARTITION)
    return rows.drop(BATCH_PARTITION)


def _recount_input(spark: SparkSession, task: Task, arrivals: StreamSource, rows: DataFrame) -> dict[str, Any]:
    """Count the records of the files that the staged rows come from, by reading those once more without BERT.

    A stream's own counts are gone with its process, so that they could not be compared after a kill.
    """
    files = [row[0] for row in rows.select(FILE_COLUMN).distinct().collect()]
    try:
        again = arrivals.reread(spark, files)
        seen = F.count_distinct(FILE_COLUMN) if FILE_COLUMN in again.columns else F.lit(len(files))
        found = again.agg(*input_counts(again, task.source.text_column), seen.alias("files")).first()
    except AnalysisException as err:
        logger.warning("%s", str(err).splitlines()[0])
        found = None
    if found is None or found["files"] < len(files):  # a table format that has rewritten its files meanwhile
        logger.warning("the input's records can't be counted again: files of %s are gone", task.source.path)
        return dict.fromkeys(INPUT_COUNTS, 0) | {"rows_in": rows.count(), "rows_in_recounted": False}
    lost = arrivals.dropped(spark, files)
    return {name: found[name] for name in INPUT_COUNTS} | ({"columns_dropped": lost} if lost else {})


def _staged_batches(stage: StagedRun) -> list[str]:
    found = [name for name in stage.folder.names() if name.startswith(f"{BATCH_PARTITION}=")]
    return sorted(found, key=lambda name: int(name.partition("=")[2]))
