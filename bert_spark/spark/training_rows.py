"""Rows to learn from, as a table that Spark reads. `parquet_rows` gives the same rows without a JVM."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.config import EncoderConfig
from bert_spark.spark.collect import check_result_size, collect_arrow, collect_batches
from bert_spark.spark.label_column import check_label_column, usable_label
from bert_spark.spark.training_sample import LAST, Sample, first_in_spark, split_keys
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.config import InputConfig
from bert_spark.tables.diagnostics import DIAGNOSTICS
from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.input_warnings import input_warnings, null_words_warning
from bert_spark.tables.repartitioning import spread_by_bytes
from bert_spark.tables.row_counts import NULL_WORDS, input_counts
from bert_spark.tables.schema import (
    HIDDEN_PREFIX,
    Table,
    exact_column,
    text_value,
    usable_text,
)
from bert_spark.tables.text_column import with_text_column
from bert_spark.training.config import TrainConfig

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


_VECTOR = f"{HIDDEN_PREFIX}vector"
_ERROR = f"{HIDDEN_PREFIX}error"


class LabelledRows(Protocol):
    """Rows with a text, a label and perhaps a vector."""

    columns: list[str]
    schema: T.StructType
    path: str  # of the input
    vector: str  # the column of vectors, if they are stored

    def counts(self) -> tuple[int, int, int]:
        """Return the number of rows, of rows with a label, and of rows with a label and a text."""

    def warnings(self) -> list[str]:
        """Return what the texts and labels hint at: values that look wrongly read."""

    def check_collectable(self, rows: int, width: int) -> None:
        """Raise DataError if so many vectors cannot be brought to this process."""

    def pairs(self, size: int | None) -> tuple[pa.Table, Sample | None]:
        """Return text and label of the rows that have both, or of a sample of that size; and the sample."""

    def vectors(self, sample: Sample | None) -> Iterator[pa.RecordBatch]:
        """Yield text, label, vector and the diagnostics if there are any, of a sample, or of all labelled rows."""


class SparkRows:
    """Rows of a table that Spark reads. Their vectors are in a column, or BERT computes them.

    Parameters
    ----------
    table
        The table.
    source, train
        The settings that name its columns.
    encoder
        Settings of the encoder that computes the vectors; None reads them from the column of `train`.
    """

    def __init__(
        self, table: DataFrame, source: InputConfig, train: TrainConfig, encoder: EncoderConfig | None = None
    ) -> None:
        source = with_checked_columns(table, source, train)
        self.columns, self.schema = table.columns, table.schema
        self.path, self.vector = str(source.path), str(train.embedding_column or "embedding")
        self._table, self._source, self._train, self._encoder = table, source, train, encoder
        self._text = usable_text(table, source.text_column)
        self._label = usable_label(table, train.label_column, trim=train.trim_labels)

    def counts(self) -> tuple[int, int, int]:
        """Return the number of rows, of rows with a label, and of rows with a label and a text. Runs no BERT."""
        return self._counts["rows_in"], self._counts["labelled"], self._counts["usable"]

    def warnings(self) -> list[str]:
        """Return what the texts and labels hint at."""
        labels = null_words_warning("labels", self._counts["null_labels"], self._counts["labelled"])
        return input_warnings(self._counts) + labels

    @cached_property
    def _counts(self) -> dict[str, int]:
        text_with_label = F.when(self._label.isNotNull(), self._text)
        counts = {
            "labelled": F.count(self._label),
            "usable": F.count(text_with_label),
            "null_labels": F.count_if(self._label.cast("string").isin(*NULL_WORDS)),
        }
        own = [count.alias(name) for name, count in counts.items()]
        row = self._table.agg(*input_counts(self._table, self._source.text_column), *own).first()
        return row.asDict() if row else {}

    def check_collectable(self, rows: int, width: int) -> None:
        """Raise DataError if they are more than Spark sends to the driver."""
        check_result_size(self._table.sparkSession, rows, width)

    def pairs(self, size: int | None) -> tuple[pa.Table, Sample | None]:
        """Return text and label, and the sample."""
        if size is None:
            return collect_arrow(self._usable.select(self._text.alias("text"), self._label.alias("label"))), None
        return split_keys(collect_arrow(first_in_spark(self._usable, self._text, self._label, size)))

    def vectors(self, sample: Sample | None) -> Iterator[pa.RecordBatch]:
        """Yield text, label, vector and diagnostics, batch by batch."""
        if sample is None:
            yield from collect_batches(self._with_vectors(self._labelled))
            return
        is_in_sample, is_last = sample.in_spark(self._text, self._label)
        rows = self._usable.select("*", is_last).where(is_in_sample)
        yield from sample.without_surplus(collect_batches(self._with_vectors(rows, LAST)))

    def _with_vectors(self, rows: DataFrame, *more: str) -> DataFrame:
        """Return text, label, vector, diagnostics and `more` columns of rows. BERT runs, or the vectors are stored."""
        if self._encoder is None:
            text, vector = self._text, self.vector
            diagnostics = {name: name for name in stored_diagnostics(self.columns)}
        else:
            text, vector = text_value(rows, self._source.text_column), _VECTOR
            diagnostics = {name: f"{HIDDEN_PREFIX}{name}" for name in DIAGNOSTICS}
            embed = with_embedding(
                self._encoder,
                text_column=self._source.text_column,
                embedding_column=_VECTOR,
                error_column=_ERROR,
                diagnostics=diagnostics,
            )
            rows = self._spread(rows).transform(embed)
        columns = [exact_column(column).alias(name) for name, column in {"vector": vector, **diagnostics}.items()]
        return rows.select(text.alias("text"), self._label.alias("label"), *columns, *more)

    def _spread(self, rows: DataFrame) -> DataFrame:
        """Spread rows over tasks. A sample has its share of the table's bytes."""
        size, total = input_bytes(self._table), self._counts["rows_in"]
        if size is not None and self._train.max_rows is not None and self._train.max_rows < total:
            size = size * self._train.max_rows // total
        return spread_by_bytes(rows, self._source.partition_mb, size)

    @property
    def _labelled(self) -> DataFrame:
        return self._table.where(self._label.isNotNull())

    @property
    def _usable(self) -> DataFrame:
        return self._labelled.where(self._text.isNotNull())


def with_checked_columns(rows: Table, source: InputConfig, train: TrainConfig) -> InputConfig:
    """Return the settings with the column of the texts; refuse columns that do not exist or have a wrong type."""
    check_label_column(rows, train.label_column)
    return with_text_column(rows, source, [train.label_column])


def stored_diagnostics(columns: list[str]) -> tuple[str, ...]:
    """Return the diagnostics that are among the columns: all of them, or none."""
    return DIAGNOSTICS if set(DIAGNOSTICS) <= set(columns) else ()
