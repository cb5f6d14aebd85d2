"""Stage the rows that a run with --sync adds or replaces: BERT runs for new and changed texts only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import mark_staged
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.sync_compare import Difference
from bert_spark.runs.sync_stage import ENCODED_ROWS, OTHER_ROWS, PLAN, OutputFiles, StagedChanges
from bert_spark.spark.result_columns import input_columns
from bert_spark.tables.changed_files import file_of_new_rows
from bert_spark.tables.repartitioning import partition_count
from bert_spark.tables.schema import HIDDEN_PREFIX, exact_column, usable_text
from bert_spark.tables.sync_plan import ADDED, CHANGE, COLUMNS_CHANGED, ENCODED, TEXT_CHANGED
from bert_spark.tables.sync_rows import ID
from bert_spark.tables.writers import overwrite_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TEXT_HASH = f"{HIDDEN_PREFIX}text_hash"


def stage_changes(run: ScheduledRun, found: Difference, key: str) -> StagedRun:
    """Encode what has to be, and stage all rows to add or to replace.

    Parameters
    ----------
    run, found
        The run, and what differs.
    key
        As in `mark_staged`.
    """
    stage, columns, task = found.stage, found.columns, run.task
    plan = stage.rows(run.spark, [PLAN])
    if found.counts[ADDED] + found.counts[TEXT_CHANGED]:
        with show_progress(run.spark, task.job):
            overwrite_files(_encoded(run, found, plan), stage.path(ENCODED_ROWS))
    if found.stored is not None and found.counts[COLUMNS_CHANGED]:
        overwrite_files(_with_stored_results(found, found.stored, plan), stage.path(OTHER_ROWS))
    upserts = StagedChanges(run.spark, stage, columns).upserts
    result = upserts.drop(ID)
    if found.stored is not None:
        stay = columns.with_id(found.stored).join(plan.select(ID), ID, "left_anti")
        result = result.unionByName(stay.select(*columns.of_output(stay)), allowMissingColumns=True)
    counts = result.agg(*task.output_counts(visible_only=True)).collect()[0].asDict()
    content = found.record.finish(found.facts | counts | _encoding_counts(run, stage))
    content["rows_per_second"] = round(content["rows_encoded"] / max(content["seconds"], 0.1), 1)
    content = task.with_label_shift(content) | task.compared(result)
    sync = {"columns": columns.facts} | _places(run, found, content["rows_out"])
    mark_staged(run, stage, [], content, key, sync=sync)
    return stage


def _encoded(run: ScheduledRun, found: Difference, plan: DataFrame) -> DataFrame:
    """Return the new rows and those of changed texts with their computed columns."""
    task, ids = run.task, plan.where(F.col(CHANGE).isin(*ENCODED)).select(ID)
    rows = found.columns.with_id(found.tweets).join(ids, ID, "left_semi")
    rows = rows.withColumn(_TEXT_HASH, F.xxhash64(usable_text(rows, found.columns.text_column)))
    tasks = partition_count(found.counts["text_size"], task.source.partition_mb)
    # The same texts are in one task and side by side, so that BERT sees each once.
    spread = rows.repartition(tasks, _TEXT_HASH) if task.join_known is None else task.join_known(rows, tasks)
    return task.transform(spread.sortWithinPartitions(_TEXT_HASH))


def _with_stored_results(found: Difference, stored: DataFrame, plan: DataFrame) -> DataFrame:
    """Return rows whose text is the same and whose other columns have changed, with the results that are stored."""
    columns = found.columns
    ids = plan.where(F.col(CHANGE) == COLUMNS_CHANGED).select(ID)
    visible = input_columns(found.tweets, columns.text_column)
    now = columns.with_id(found.tweets).select(ID, *visible).join(ids, ID, "left_semi")
    results = columns.with_id(stored).select(ID, *map(exact_column, columns.computed))
    joined = now.join(results, ID)
    return joined.select(ID, *columns.of_output(joined))


def _encoding_counts(run: ScheduledRun, stage: StagedRun) -> dict[str, Any]:
    """Return what BERT read: empty if it did not run."""
    names = run.task.diagnostics
    if not names or ENCODED_ROWS not in stage.folder.names():
        return {}
    rows = stage.rows(run.spark, [ENCODED_ROWS])
    read = exact_column(names["token_count"]).isNotNull() & ~exact_column(names["reused"])
    counts = rows.agg(*run.task.output_counts(), F.count_if(read).alias("rows_encoded")).collect()[0].asDict()
    return {
        name: counts[name]
        for name in ("rows_encoded", "rows_truncated", "texts_reused", "tokens_read", "unknown_token_share")
    }


def _places(run: ScheduledRun, found: Difference, rows: int) -> dict[str, Any]:
    """Return the files of an output that is a folder, and where its new rows go."""
    if run.task.output.format == "table":
        return {}
    files = OutputFiles.of(run.area, run.task.output, "").names()
    file = None
    if found.stored is not None:
        file = file_of_new_rows(run.spark, found.stored, found.counts["rows_before"], found.counts[ADDED])
    return {
        "files": files,
        "file_of_new_rows": file,
        "own_files": not rows or (file is None and found.counts[ADDED] > 0),
        "replaces_all": found.all_rows_differ,
    }
