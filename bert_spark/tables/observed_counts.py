"""Count rows in the pass that does the work, and count again what Spark has counted twice.

Spark 3.5 adds a task's counts each time the task succeeds. A task whose shuffled rows are lost with their executor
succeeds twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import Observation
from pyspark.sql import functions as F

from bert_spark.tables.schema import HIDDEN_PREFIX

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

logger = logging.getLogger(__name__)

_POSITION = f"{HIDDEN_PREFIX}position"
_RECORD_BITS = 33  # monotonically_increasing_id(): the lower bits number a task's records, the upper bits the task
_TASKS_COUNTED = f"{HIDDEN_PREFIX}tasks_counted"
_TASKS = f"{HIDDEN_PREFIX}tasks"


class ObservedCounts:
    """Counts of rows that are taken while the rows pass, by Spark's `observe`.

    Parameters
    ----------
    rows
        The rows to count.
    counts
        The counts, named aggregates.
    count_again
        Returns these counts, or some of them, by other means; an empty dict if there are none. By default `rows` are
        aggregated, so they must not need BERT.

    Attributes
    ----------
    rows
        The same rows. An action on them counts them.
    """

    def __init__(
        self, rows: DataFrame, counts: Sequence[Column], count_again: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        self._observation = Observation()
        self._count_again = count_again or (lambda: rows.agg(*counts).collect()[0].asDict())
        self._input, self._counts = rows, counts
        position = F.col(_POSITION)
        # Each task that has records counts its first one here. Sets, unlike sums, do not grow if a task counts twice.
        tasks_counted = F.count_if(position.bitwiseAND((1 << _RECORD_BITS) - 1) == 0).alias(_TASKS_COUNTED)
        tasks = F.size(F.collect_set(F.shiftright(position, _RECORD_BITS))).alias(_TASKS)
        numbered = rows.withColumn(_POSITION, F.monotonically_increasing_id())
        self.rows = numbered.observe(self._observation, *counts, tasks_counted, tasks).drop(_POSITION)

    def result(self) -> dict[str, Any]:
        """Return the counts. Call it after the action."""
        observed = dict(self._observation.get)
        if not observed:  # Spark 3.5 drops counts together with their plan, once it knows that no row comes out of it
            return self._count_again() or self._counts_of_no_row()
        repeated = observed.pop(_TASKS_COUNTED) - observed.pop(_TASKS)
        if not repeated:
            return observed
        counted_anew = self._count_again()
        outcome = "the rows are counted anew" if counted_anew else "the counts of this run are too large"
        logger.warning("Spark counted %d tasks again, which ran again: %s", repeated, outcome)
        return observed | counted_anew

    def _counts_of_no_row(self) -> dict[str, Any]:
        return dict(self._input.limit(0).agg(*self._counts).collect()[0].asDict())  # Spark's plan for it runs no BERT
