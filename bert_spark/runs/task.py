"""What a job does to a table, whichever way it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.runs.quality_limits import label_shift
from bert_spark.runs.run_record import RunRecord
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.partitioning import spread_by_bytes
from bert_spark.tables.row_counts import output_counts

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def _unchanged(rows: DataFrame) -> DataFrame:
    return rows


@dataclass(frozen=True)
class Task:
    """What a job adds to a table, from where to where.

    Parameters
    ----------
    job
        Its name.
    config, fingerprint
        The encoder's settings and identity.
    identity
        Key of a column's metadata -> what it must say in an output that this task adds rows to.
    source, output
        From where, and to where.
    add
        The transformation: with_embedding(...) or with_score(...).
    counted
        Diagnostic -> its column; empty where BERT does not run.
    labels, trained
        The labels it can give, and the shares they had among the training rows.
    facts
        More for the record.
    before
        What is put beside the input's rows before they are spread.
    """

    job: str
    config: EncoderConfig
    fingerprint: str
    identity: Mapping[str, str]
    source: InputConfig
    output: OutputConfig
    add: Callable[[DataFrame], DataFrame]
    counted: Mapping[str, str]
    labels: Sequence[Any] = ()
    trained: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[DataFrame], DataFrame] = _unchanged

    def judged(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with the distance of its labels to those of the training rows, where both are known."""
        return record | {"label_shift": label_shift(record.get("labels", {}), self.trained)}

    def record(self, **facts: Any) -> RunRecord:
        """Return the record of a run that begins now."""
        known: dict[str, Any] = {"input": self.source.path, **self.facts, **facts}
        return RunRecord(self.job, str(self.output.path), self.config, self.fingerprint, known)

    def counts(self) -> list[Column]:
        """Return what is counted of the rows that come out."""
        return output_counts(self.output.error_column, self.counted, self.config.max_length, self.labels)

    def added(self, rows: DataFrame, partition_mb: float | None) -> DataFrame:
        """Return `rows` with what this task adds, spread over all cores before BERT."""
        return self.add(spread_by_bytes(self.before(rows), partition_mb))
