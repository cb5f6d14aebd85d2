"""Remove what old runs have left beside an output: their records, and rows of days that the limits refused.

Never touches the output, nor what an incremental run has staged: its input is not read again.
"""

from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING

from bert_spark.runs.stage import StagedRun, remove_stage
from bert_spark.runs.staging_area import DAY_PREFIX, SYNC_PREFIX, StagingArea
from bert_spark.tables.run_records import STAMP, read_record

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def remove_old(spark: SparkSession, area: StagingArea, keep_days: int | None) -> None:
    """Remove records and refused days of this output that are older than `keep_days`; None keeps all.

    The run that calls it holds the lock. Only what is old is read.
    """
    if keep_days is None:
        return
    oldest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=keep_days)
    removed = _remove_records(area, f"{oldest:%Y%m%dT%H%M%S}")
    if removed:
        logger.info("removed %d records of runs that are older than %d days", removed, keep_days)
    _remove_refused_days(spark, area, f"{oldest:%Y-%m-%dT%H:%M:%S}")


def _remove_records(area: StagingArea, oldest: str) -> int:
    removed = 0
    for name in area.records.names():
        stamp = STAMP.search(name)
        if stamp is None or not name.endswith(".json") or stamp[1] >= oldest:
            continue
        if str(read_record(area.records, name).get("output", "")).rstrip("/") == area.output.rstrip("/"):
            area.records.remove(name)
            removed += 1
    return removed


def _remove_refused_days(spark: SparkSession, area: StagingArea, oldest: str) -> None:
    for name in area.staging.names():
        stage = StagedRun(area.staging / name)
        state = (stage.state or {}) if name.startswith((DAY_PREFIX, SYNC_PREFIX)) else {}
        if state.get("status") == "refused" and state["record"]["started"] < oldest:
            run_id, rows = state["record"]["run_id"], state["record"]["rows_out"]
            logger.warning("giving up %d rows that run %s had staged: they are older than --keep-days", rows, run_id)
            remove_stage(spark, stage)
