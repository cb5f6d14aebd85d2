"""Keep an output in step with its input, by the ids of the rows. Only new and changed texts are encoded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from bert_spark.errors import ConfigError, DataError, LimitError, NoInputError
from bert_spark.runs.made_from import made_from, stored_made_from, with_made_from
from bert_spark.runs.progress import show_progress
from bert_spark.runs.publish import audit_and_publish, check_same_model, mark_staged
from bert_spark.runs.quality_limits import limit_violations, rows_differ
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.staging_area import SYNC_PREFIX, StagedRun, StagingArea
from bert_spark.runs.sync_stage import ENCODED_ROWS, FILES_PREFIX, OTHER_ROWS, PLAN, OutputFiles, StagedChanges
from bert_spark.runs.task import Task
from bert_spark.spark.transforms import input_columns
from bert_spark.tables.changed_files import file_of_new_rows
from bert_spark.tables.input_size import input_signature
from bert_spark.tables.merged_table import ready_table
from bert_spark.tables.observed_counts import ObservedCounts
from bert_spark.tables.outputs import path_exists, read_output
from bert_spark.tables.references import find_columns
from bert_spark.tables.repartitioning import partition_count
from bert_spark.tables.row_counts import ZERO_COUNTS
from bert_spark.tables.schema import HIDDEN_PREFIX, drop_hidden, exact_column, usable_text
from bert_spark.tables.sync_plan import (
    ADDED,
    CHANGE,
    COLUMNS_CHANGED,
    ENCODED,
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

_TEXT_HASH = f"{HIDDEN_PREFIX}text_hash"


def publish_in_step(run: ScheduledRun) -> list[dict[str, Any]]:
    """Bring the output into step with the input and return the records.

    Complete changes of killed runs are published first.

    Raises
    ------
    DataError
        If an id is missing or doubled, in the input or in the output, or the output belongs to another kind of run.
    LimitError
        If the result is outside the limits, or too many rows would be removed.
    NoInputError
        If nothing differs and `require_input` is set.
    """
    if run.task.reads_vectors:
        raise ConfigError(
            f"got --sync, which compares texts, but the vectors of {run.task.source.path!r} are scored. Pass "
            "--embedding-column '' to run BERT on the texts, or use --overwrite, which needs no BERT for vectors"
        )
    if run.task.output.format != "table":
        OutputFiles.of(run.area, run.task.output, "")
    recovered = recover_staged_changes(run)
    tweets = run.task.read(run.spark)
    run = dataclasses.replace(run, task=run.task.for_input(tweets))
    run.task.check_truth(tweets)
    columns = _synced_columns(run.task, tweets)
    stored = _stored_rows(run, columns)
    key = _key(run, tweets)
    stage = _refused_stage(run.area, key)
    if stage is None:
        found = _Difference.of(run, tweets, stored, columns)
        if not found.plan_rows:
            found.stage.remove()
            return recovered or [_unchanged(run, found)]
        stage = _stage_changes(run, found, key)
    return [*recovered, audit_and_publish(run, stage, run.limits)]


def recover_staged_changes(run: ScheduledRun) -> list[dict[str, Any]]:
    """Publish the changes of killed runs that are complete and remove those that are not; return their records.

    Changes that the limits refused stay staged. Those of an output that was written meanwhile are removed: the run
    compares it with the input anew.

    Raises
    ------
    FingerprintError
        If complete changes belong to another model than this run's.
    """
    recovered = []
    for name in _staged(run.area):
        stage = StagedRun(run.area.staging / name)
        state = stage.state
        if state is None or stage.is_half_removed:
            logger.warning("removing the incomplete changes of a killed run: %s", stage.folder.uri)
            stage.remove()
        elif not _fits(run, name, state):
            run_id = state["record"]["run_id"]
            logger.warning("giving up the changes of run %s: %s was written since", run_id, run.task.output.path)
            stage.remove()
        elif state["status"] != "refused":
            check_same_model(stage, run.task)
            logger.warning(
                "publishing the changes that run %s had staged when it was killed", state["record"]["run_id"]
            )
            recovered.append(audit_and_publish(run, stage))
    _remove_stray_files(run)
    return recovered


def _staged(area: StagingArea) -> list[str]:
    return [name for name in area.staging.names() if name.startswith(SYNC_PREFIX)]


def _fits(run: ScheduledRun, name: str, state: dict[str, Any]) -> bool:
    return run.task.output.format == "table" or OutputFiles.of(run.area, run.task.output, name).fit(state["sync"])


def _remove_stray_files(run: ScheduledRun) -> None:
    """Remove new files whose stage is gone."""
    if run.task.output.format == "table":
        return
    files = OutputFiles.of(run.area, run.task.output, "")
    staging, staged = files.beside / f"_staging/{files.name}", _staged(run.area)
    for name in staging.names():
        if name.startswith(FILES_PREFIX) and name.removeprefix(FILES_PREFIX) not in staged:
            staging.remove(name)


def _synced_columns(task: Task, tweets: DataFrame) -> SyncedColumns:
    """Return the columns of the output. Refuses names and types that can't be; runs no BERT."""
    id_column = str(task.source.id_column)
    check_id_column(tweets, id_column, f"input {task.source.path!r}")
    kept = tweets.select(*input_columns(tweets, task.source.text_column)).columns
    schema = drop_hidden(task.transform(task.prepare(tweets))).schema
    computed = tuple(name for name in schema.names if name not in kept)
    schema = with_made_from(schema, task.output.error_column, made_from(task))
    return SyncedColumns(id_column, task.source.text_column, task.output.error_column, schema, computed)


def _stored_rows(run: ScheduledRun, columns: SyncedColumns) -> DataFrame | None:
    """Return the rows of the output; None if it does not exist. A table is created if it does not exist."""
    output = run.task.output
    if output.format == "table":
        ready_table(run.spark, output, columns)
    elif not path_exists(run.spark, str(output.path), output.format):
        return None
    try:
        stored = read_output(run.spark, output)
    except AnalysisException:  # a folder without any file in it yet
        return None
    partitions = {"run_date", "batch"} & (set(stored.columns) - set(columns.schema.names))
    if partitions:
        raise DataError(
            f"output {output.path!r} has the partition column {partitions.pop()!r}: it was written by another kind of "
            "run; pass another --output"
        )
    check_id_column(stored, columns.id_column, f"output {output.path!r}")
    return stored


def _key(run: ScheduledRun, tweets: DataFrame) -> str:
    """Return a digest of what decides the changes: settings and files of the input."""
    task = run.task
    facts = {
        "identity": dict(task.identity),
        "source": dataclasses.asdict(task.source),
        "output": dataclasses.asdict(task.output),
        "facts": dict(task.facts),
        # An input without a signature never equals an earlier one.
        "signature": input_signature(tweets) or uuid.uuid4().hex,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _refused_stage(area: StagingArea, key: str) -> StagedRun | None:
    """Return refused changes of exactly this input, if any. Remove all others: they would be older than this input."""
    matching = None
    for name in _staged(area):
        stage = StagedRun(area.staging / name)
        state = stage.state or {}
        if matching is None and state.get("key") == key and not rows_differ(state["record"]):
            matching = stage
        else:
            stage.remove()
    return matching


@dataclasses.dataclass(frozen=True)
class _Difference:
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
    def of(cls, run: ScheduledRun, tweets: DataFrame, stored: DataFrame | None, columns: SyncedColumns) -> _Difference:
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
            before = now.limit(0).withColumn(FILE, F.lit(""))
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
    def plan_rows(self) -> int:
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


def _unchanged(run: ScheduledRun, found: _Difference) -> dict[str, Any]:
    """Return the record of a run that has nothing to change."""
    if run.schedule.require_input:
        raise NoInputError(f"output {run.task.output.path!r} is in step with the input: nothing to do")
    counts: dict[str, Any] = dict(ZERO_COUNTS)
    if found.stored is not None:
        counts = found.stored.agg(*run.task.output_counts(visible_only=True)).collect()[0].asDict()
    content = found.record.finish(found.facts | counts) | {"status": "nothing to do"}
    run.area.save_record(content)
    return content


def _stage_changes(run: ScheduledRun, found: _Difference, key: str) -> StagedRun:
    """Encode what has to be, and stage all rows to add or to replace.

    Raises
    ------
    LimitError
        If too many rows would be removed. Nothing is encoded then.
    """
    _check_removal(run, found)
    stage, columns, task = found.stage, found.columns, run.task
    plan = stage.rows(run.spark, [PLAN])
    if found.counts[ADDED] + found.counts[TEXT_CHANGED]:
        with show_progress(run.spark, task.job):
            _encoded(run, found, plan).write.mode("overwrite").parquet(stage.path(ENCODED_ROWS))
    if found.counts[COLUMNS_CHANGED]:
        _with_stored_results(found, plan).write.mode("overwrite").parquet(stage.path(OTHER_ROWS))
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


def _check_removal(run: ScheduledRun, found: _Difference) -> None:
    """Refuse a run that would remove too many rows, before BERT runs."""
    problems = limit_violations(ZERO_COUNTS | found.facts, run.limits)
    if not problems:
        return
    found.stage.remove()
    content = found.record.finish(ZERO_COUNTS | found.facts)
    run.area.save_record(content | {"status": "refused", "problems": problems})
    raise LimitError(
        f"{'; '.join(problems)}. Nothing was encoded, and {run.task.output.path!r} is unchanged. Is the input "
        "complete? If it is, run the same command with --max-removed-share 1"
    )


def _encoded(run: ScheduledRun, found: _Difference, plan: DataFrame) -> DataFrame:
    """Return the new rows and those of changed texts with their computed columns."""
    task, ids = run.task, plan.where(F.col(CHANGE).isin(*ENCODED)).select(ID)
    rows = task.prepare(found.columns.with_id(found.tweets).join(ids, ID, "left_semi"))
    text_hash = F.xxhash64(usable_text(rows, found.columns.text_column))
    tasks = partition_count(found.counts["text_size"], task.source.partition_mb)
    # The same texts are in one task and side by side, so that BERT sees each once.
    spread = rows.withColumn(_TEXT_HASH, text_hash).repartition(tasks, _TEXT_HASH).sortWithinPartitions(_TEXT_HASH)
    return task.transform(spread)


def _with_stored_results(found: _Difference, plan: DataFrame) -> DataFrame:
    """Return rows whose text is the same and whose other columns have changed, with the results that are stored."""
    columns = found.columns
    ids = plan.where(F.col(CHANGE) == COLUMNS_CHANGED).select(ID)
    visible = input_columns(found.tweets, columns.text_column)
    now = columns.with_id(found.tweets).select(ID, *visible).join(ids, ID, "left_semi")
    results = columns.with_id(found.stored).select(ID, *map(exact_column, columns.computed))
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


def _places(run: ScheduledRun, found: _Difference, rows: int) -> dict[str, Any]:
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
