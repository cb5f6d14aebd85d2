"""Leave out the refused rows of an incremental run, file by file: only files that are outside the limits themselves.

If each file is within the limits, so are all of them together. The limits are shares of rows, and a distance between
distributions that is never larger for a mixture than for its most distant part.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bert_spark.runs.quality_limits import limit_violations
from bert_spark.runs.stage import FILE_COLUMN, StagedRun, rows_without_files
from bert_spark.tables.row_counts import INPUT_COUNTS, nest_label_counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from bert_spark.runs.scheduled_run import ScheduledRun

logger = logging.getLogger(__name__)


def leave_out_refused_files(run: ScheduledRun, stage: StagedRun) -> None:
    """Leave out the files of refused rows that are outside the limits. If that is every file, the stage is removed.

    The rows of the other files are to be audited and published as those of a run of their own.
    """
    state = stage.state or {}
    rows = stage.rows(run.spark, state["partitions"])
    refused = _files_outside_limits(run, rows)
    by_file: Mapping[str, Mapping[str, int]] = state.get("files", {})
    remaining = [file for file in by_file if file not in refused]
    skipped = state["record"] | {"status": "skipped", "problems": state["problems"], "files_skipped": refused}
    if not remaining:
        run.area.save_record(skipped)
        stage.remove()
        return
    logger.warning("leaving out %d of %d files permanently: %s", len(refused), len(by_file), ", ".join(refused))
    counts = rows_without_files(rows, refused).agg(*run.task.output_counts()).collect()[0].asDict()
    total = {name: sum(by_file[file][name] for file in remaining) for name in INPUT_COUNTS}
    record = state["record"] | nest_label_counts(counts) | total | {"files_skipped": refused}
    run.area.save_record(skipped | {"run_id": f"{state['record']['run_id']}-skipped"})
    stage.save(
        status="staged",
        record=run.task.with_label_shift(record),
        skipped_files=[*state.get("skipped_files", ()), *refused],
    )


def _files_outside_limits(run: ScheduledRun, rows: DataFrame) -> list[str]:
    refused = []
    for row in rows.groupBy(FILE_COLUMN).agg(*run.task.output_counts()).collect():
        counts = nest_label_counts({name: value for name, value in row.asDict().items() if name != FILE_COLUMN})
        record = run.task.with_label_shift(counts | {"rows_in": counts["rows_out"]})
        if limit_violations(record, run.limits):
            refused.append(row[FILE_COLUMN])
    return sorted(refused)
