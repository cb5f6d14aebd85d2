"""Stage the rows of a day: on a branch of an Iceberg table, so that they are written once, else as files.

Decides nothing about them.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException

from bert_spark.errors import DataError
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.stage import BRANCH_FILE, StagedRun
from bert_spark.runs.task import Task
from bert_spark.tables.iceberg_branches import TableBranch, full_name, is_iceberg, is_partitioned_by, published_key
from bert_spark.tables.output_partitions import Partition, check_table_columns, create_table, rows_for_table
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.ownership import owner_of
from bert_spark.tables.schema import drop_hidden
from bert_spark.tables.writers import overwrite_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)


def stage_rows(
    run: ScheduledRun, task: Task, stage: StagedRun, rows: DataFrame, record: RunRecord, key: str
) -> dict[str, Any]:
    """Compute rows, stage them and return their record with all counts.

    Parameters
    ----------
    run
        The run.
    task
        Its task, with the columns of this input.
    stage
        Where the rows are staged.
    rows
        The rows with the task's columns, not computed yet.
    record
        The run's record, which names the partition.
    key
        Identifies the input and the settings that give these rows.

    Raises
    ------
    DataError
        Before any row is computed, if the output is a table of Iceberg that lacks a column, or is not partitioned by
        the day.
    """
    partition = record.content["partition"]
    branch = _new_branch(run, stage, rows, partition, key)
    if branch is None:
        overwrite_files(rows, stage.path(partition))
        counts = stage.rows(run.spark, [partition]).agg(*task.output_counts()).first()
        return record.finish(counts.asDict() if counts else {})

    def count_written() -> dict[str, Any]:
        written = stage.rows(run.spark, [partition])
        return dict(written.agg(*task.output_counts(visible_only=True)).collect()[0].asDict())

    target = Partition.parse(partition)
    counted = record.observe(rows, task.output_counts(), count_written)
    branch.replace(rows_for_table(run.spark, drop_hidden(counted), task.output, target), target.condition)
    return record.finish()


def _new_branch(run: ScheduledRun, stage: StagedRun, rows: DataFrame, partition: str, key: str) -> TableBranch | None:
    """Create the branch for a day's rows, and their table if there is none; None if they are to be staged as files.

    The stage names the branch before it exists, so that a killed run leaves no branch that nothing names.
    """
    output, table = run.task.output, str(run.task.output.path)
    if output.format != "table" or output.target_file_mb is not None or not is_iceberg(run.spark, table):
        return None
    rows, target = drop_hidden(rows), Partition.parse(partition)
    create_table(run.spark, rows, output, target)
    if not is_partitioned_by(run.spark, table, target.column):
        raise DataError(
            f"table {table} is not partitioned by {target.column}, so that no day of it can be replaced; pass another "
            f"--output, or change the table: ALTER TABLE {table} ADD PARTITION FIELD {target.column}"
        )
    check_table_columns(run.spark, rows.columns, output)
    run.lock.check()
    run.lock.remember_place()
    name = stage.folder.uri.rpartition("/")[2].replace("-", "_")
    branch = TableBranch(full_name(run.spark, table), f"bert_spark_{name}", key, owner_of(rows.schema))
    stage.folder.write(BRANCH_FILE, json.dumps(dataclasses.asdict(branch)))
    try:
        branch.create(run.spark)
    except PySparkException as err:
        stage.folder.remove(BRANCH_FILE)
        logger.warning(
            "the rows are written twice, first as files, since this session makes no branches of table %s (%s); set "
            "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            table,
            str(err).strip().splitlines()[0],
        )
        return None
    return branch


def is_published(run: ScheduledRun, day_partition: str, key: str) -> bool:
    """Tell whether the output holds for a day exactly the rows that this input and these settings give.

    Only a table of Iceberg says so, as long as it keeps the snapshot of that publication.
    """
    output, table = run.task.output, str(run.task.output.path)
    if output.format != "table" or not path_exists(run.spark, table, "table") or not is_iceberg(run.spark, table):
        return False
    return published_key(run.spark, table, Partition.parse(day_partition).condition) == key
