"""Describe what a job does to a table, in every kind of run. Knows nothing of schedules and staging."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.vector_recipe import recipe_of
from bert_spark.runs.quality_limits import with_label_shift
from bert_spark.runs.run_record import RunRecord
from bert_spark.runs.truth import Truth
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.readers import read_input
from bert_spark.tables.repartitioning import task_count
from bert_spark.tables.row_counts import CountedLabels, output_counts
from bert_spark.tables.row_numbers import ROW_NUMBER
from bert_spark.tables.schema import usable_text
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


@dataclass(frozen=True)
class Task:
    """What a job adds to a table, from which input to which output.

    Parameters
    ----------
    job
        The job's name.
    config, fingerprint
        The encoder's settings and identity.
    identity
        Metadata key -> the value that an output must have if this task adds rows to it.
    source, output
        The input and the output.
    transform
        Adds the new columns: with_embedding(...) or with_score(...).
    diagnostics
        Diagnostic -> its column; empty if BERT does not run.
    labels, trained_label_shares
        The labels that the task can predict in each column, and their shares among the training rows by the artefact's
        name.
    facts
        Further entries of the run's record.
    join_known
        Joins the known vectors of texts to the input's rows, in a number of tasks; None if no vectors are known.
    reads_vectors
        Whether the vectors are there already, so that BERT does not run.
    not_texts
        Columns of the input that hold something else than texts, such as dates.
    truth
        The labels that the rows have, to compare with the predicted ones; None if they are not compared.
    """

    job: str
    config: EncoderConfig
    fingerprint: str
    identity: Mapping[str, str]
    source: InputConfig
    output: OutputConfig
    transform: Callable[[DataFrame], DataFrame]
    diagnostics: Mapping[str, str]
    labels: Sequence[CountedLabels] = ()
    trained_label_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    join_known: Callable[[DataFrame, int], DataFrame] | None = None
    reads_vectors: bool = False
    not_texts: Sequence[str | None] = ()
    truth: Truth | None = None

    @property
    def spreads_rows(self) -> bool:
        """Whether rows are spread over all cores. Vectors stay in the tasks in which Spark reads them."""
        return not self.reads_vectors or self.source.partition_mb is not None

    def with_label_shift(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with the distance of its labels to those of the training rows; None if either is unknown."""
        return with_label_shift(record, self.trained_label_shares)

    def read(self, spark: SparkSession, source: InputConfig | None = None) -> DataFrame:
        """Return the records of the input, or of `source`, such as that of one day."""
        return read_input(spark, source or self.source, self.not_texts, keep_order=self.output.keep_order)

    def for_input(self, rows: DataFrame) -> Task:
        """Return the task with the column of the texts that these rows of its input have; see `text_column`."""
        return dataclasses.replace(self, source=with_text_column(rows, self.source, self.not_texts))

    def check_truth(self, rows: DataFrame) -> None:
        """Refuse rows whose labels cannot be compared with the predicted ones. Reads the first of them only."""
        if self.truth is not None:
            self.truth.check_column(rows)
            self.truth.check_labels(rows)

    def compared(self, rows: DataFrame) -> dict[str, Any]:
        """Return the entry of the record that compares the labels of output rows; none without labels to compare."""
        return {} if self.truth is None else {"truth": self.truth.compare(rows)}

    def record(self, **facts: Any) -> RunRecord:
        """Return the record of a run that starts now, with further entries `facts`."""
        entries = {"input": self.source.path, "text_column": self.source.text_column, **self.facts, **facts}
        return RunRecord(self.job, str(self.output.path), self.config, self.fingerprint, entries)

    def output_counts(self, *, visible_only: bool = False) -> list[Column]:
        """Return the counts of the output rows as Spark expressions; on request without those of hidden columns."""
        diagnostics = {} if visible_only else self.diagnostics
        length = recipe_of(self.config).max_length
        return output_counts(self.output.error_column, diagnostics, length, self.labels)

    def apply(self, rows: DataFrame, partition_mb: float | None, size: int | None = None, cores: int = 1) -> DataFrame:
        """Return `rows` with this task's columns. If BERT runs, its rows are spread over all cores.

        Parameters
        ----------
        rows
            The input's rows.
        partition_mb
            Megabytes of text in one Spark task; None for the default. If it is set, the rows are spread in any case.
        size
            Bytes of text in the rows; by default those of the input's files.
        cores
            As in `task_count`.
        """
        if self.spreads_rows:
            tasks = task_count(rows, partition_mb, size, cores)
            rows = self.spread(rows, tasks, same_texts_together=tasks <= cores)
        return self.transform(rows.sortWithinPartitions(ROW_NUMBER) if self.output.keep_order else rows)

    def spread(self, rows: DataFrame, tasks: int, *, same_texts_together: bool = False) -> DataFrame:
        """Return rows of the input in as many tasks, with the vectors that are known.

        With `same_texts_together` rows of one text are in one task, so that BERT encodes a text of a small table once,
        whatever the number of tasks. In a large table a text may have too many rows for that.
        """
        if self.join_known is not None:
            return self.join_known(rows, tasks)
        together = [usable_text(rows, self.source.text_column)] if same_texts_together else []
        return rows.repartition(tasks, *together)
