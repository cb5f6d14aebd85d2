"""Keep an output in step with its input, by the ids of the rows. Only new and changed texts are encoded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, LimitError, NoInputError
from bert_spark.runs.publish import audit_and_publish, check_same_model
from bert_spark.runs.quality_limits import limit_violations, rows_differ
from bert_spark.runs.scheduled_run import ScheduledRun
from bert_spark.runs.stage import StagedRun
from bert_spark.runs.staging_area import SYNC_PREFIX, StagingArea
from bert_spark.runs.sync_compare import Difference, stored_rows, synced_columns
from bert_spark.runs.sync_encode import stage_changes
from bert_spark.runs.sync_stage import FILES_PREFIX, OutputFiles
from bert_spark.tables.input_size import input_signature
from bert_spark.tables.row_counts import ZERO_COUNTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)


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
    columns = synced_columns(run.task, tweets)
    stored = stored_rows(run, columns)
    key = _key(run, tweets)
    stage = _refused_stage(run.area, key)
    if stage is None:
        found = Difference.of(run, tweets, stored, columns)
        if not found.changed_rows:
            found.stage.remove()
            return recovered or [_unchanged(run, found)]
        _check_removal(run, found)
        stage = stage_changes(run, found, key)
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
            check_same_model(run, stage)
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


def _unchanged(run: ScheduledRun, found: Difference) -> dict[str, Any]:
    """Return the record of a run that has nothing to change."""
    if run.schedule.require_input:
        raise NoInputError(f"output {run.task.output.path!r} is in step with the input: nothing to do")
    counts: dict[str, Any] = dict(ZERO_COUNTS)
    if found.stored is not None:
        counts = found.stored.agg(*run.task.output_counts(visible_only=True)).collect()[0].asDict()
    content = found.record.finish(found.facts | counts) | {"status": "nothing to do"}
    run.area.save_record(content)
    return content


def _check_removal(run: ScheduledRun, found: Difference) -> None:
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
