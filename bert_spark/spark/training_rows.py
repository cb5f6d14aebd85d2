"""Rows to learn from, wherever they lie: a table that Spark reads, or Parquet files that this process reads itself,
without a JVM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.spark.arrow_arrays import column_values
from bert_spark.spark.collect import collect_arrow, collect_batches
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.config import InputConfig
from bert_spark.tables.diagnostics import DIAGNOSTICS
from bert_spark.tables.partitioning import spread_by_bytes
from bert_spark.tables.schema import HIDDEN_PREFIX, check_text_column, exact_column, usable_text
from bert_spark.training.config import TrainConfig

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame


_HASH_POINTS = 1_000_000
_VECTOR = f"{HIDDEN_PREFIX}vector"
_ERROR = f"{HIDDEN_PREFIX}error"
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"  # where Spark keeps its own schema in a Parquet file
_TABLE_LOGS = ("_delta_log", "_spark_metadata", "metadata")  # these say which files are the table's: not all are


class LabelledRows(Protocol):
    """Rows with a text, a label and perhaps a vector."""

    columns: list[str]
    schema: T.StructType

    def counts(self) -> tuple[int, int, int]:
        """Return how many rows there are, how many of them have a label, and how many of these a text."""

    def pairs(self, share: float) -> pa.Table:
        """Return text and label of a share of the rows that have both, taken by the hash of the text."""

    def vectors(self, share: float) -> Iterator[pa.RecordBatch]:
        """Return text, label, vector and what there is of diagnostics: rows with a label, the same share of them."""


class SparkRows:
    """Rows of a table that Spark reads; their vectors are there, or BERT makes them.

    Parameters
    ----------
    tweets
        The table.
    source, train
        The settings that name its columns.
    encoder
        That makes the vectors; None takes those that are there.
    """

    def __init__(
        self, tweets: DataFrame, source: InputConfig, train: TrainConfig, encoder: EncoderConfig | None = None
    ) -> None:
        _check_columns(tweets, source, train)
        self.columns, self.schema = tweets.columns, tweets.schema
        self._tweets, self._source, self._train, self._encoder = tweets, source, train, encoder
        self._text, self._label = usable_text(tweets, source.text_column), exact_column(train.label_column)

    def counts(self) -> tuple[int, int, int]:
        """Count in one pass, which runs no BERT."""
        both = F.count(F.when(self._label.isNotNull(), self._text))
        found = self._tweets.agg(F.count(F.lit(1)), F.count(self._label), both).first()
        return (found[0], found[1], found[2]) if found else (0, 0, 0)

    def pairs(self, share: float) -> pa.Table:
        """Return text and label."""
        both = self._wanted(share).where(self._text.isNotNull())
        return collect_arrow(both.select(self._text.alias("text"), self._label.alias("label")))

    def vectors(self, share: float) -> Iterator[pa.RecordBatch]:
        """Return text, label, vector and diagnostics, batch by batch."""
        wanted, text, vector = self._wanted(share), self._text, self._train.embedding_column
        shown = {name: name for name in _stored_diagnostics(self.columns)}
        if self._encoder is not None:
            column, vector, shown = (
                self._source.text_column,
                _VECTOR,
                {name: f"{HIDDEN_PREFIX}{name}" for name in DIAGNOSTICS},
            )
            names = {"text_column": column, "embedding_column": vector, "error_column": _ERROR}
            wanted = spread_by_bytes(wanted, self._source.partition_mb)
            wanted, text = (
                wanted.transform(with_embedding(self._encoder, **names, diagnostics=shown)),
                exact_column(column),
            )
        found = {"vector": vector, **shown}
        kept = [exact_column(column).alias(name) for name, column in found.items()]
        yield from collect_batches(wanted.select(text.alias("text"), self._label.alias("label"), *kept))

    def _wanted(self, share: float) -> DataFrame:
        """Return the rows with a label, a share of them."""
        labelled = self._tweets.where(self._label.isNotNull())
        if share >= 1.0:
            return labelled
        return labelled.where(_hash_point(self._text) < int(share * _HASH_POINTS))


class ParquetRows:
    """Rows of an output of jobs/embed.py in Parquet files that this process can read.

    Parameters
    ----------
    folder
        Of the files; folders in it such as run_date=2026-11-24 are a column.
    source, train
        The settings that name its columns.

    Raises
    ------
    ValueError, KeyError, OSError
        When they are no Parquet files of Spark's.
    """

    def __init__(self, folder: str, source: InputConfig, train: TrainConfig) -> None:
        from pyarrow import dataset

        self._files = dataset.dataset(folder, format="parquet", partitioning="hive")
        self.columns = list(self._files.schema.names)
        own = T.StructType.fromJson(json.loads((self._files.schema.metadata or {})[_SPARK_SCHEMA]))
        in_names = [T.StructField(name, T.StringType()) for name in self.columns if name not in own.names]
        self.schema = T.StructType([*own.fields, *in_names])
        self._names = {"text": source.text_column, "label": train.label_column, "vector": train.embedding_column}

    def counts(self) -> tuple[int, int, int]:
        """Count in one pass, which runs no BERT."""
        labelled = self._both.filter(self._both["label"].is_valid())
        return self._both.num_rows, labelled.num_rows, labelled.num_rows - labelled["text"].null_count

    def pairs(self, share: float) -> pa.Table:
        """Return text and label."""
        return _take_share(self._both.filter(self._both["label"].is_valid()), share).drop_null()

    def vectors(self, share: float) -> Iterator[pa.RecordBatch]:
        """Return text, label, vector and diagnostics, batch by batch."""
        names = self._names | {name: name for name in _stored_diagnostics(self.columns)}
        for batch in self._files.to_batches(columns=self._fields(names), batch_size=8192):
            yield _take_share(batch.filter(batch["label"].is_valid()), share)

    @cached_property
    def _both(self) -> pa.Table:
        return self._files.to_table(columns=self._fields({name: self._names[name] for name in ("text", "label")}))

    def _fields(self, names: Mapping[str, str]) -> dict[str, Any]:
        from pyarrow import dataset

        return {name: dataset.field(column) for name, column in names.items()}


def parquet_rows(source: InputConfig, train: TrainConfig) -> ParquetRows | None:
    """Return the rows to train from where this process can read them itself; None where it takes Spark."""
    folder = Path(train.embeddings or "").expanduser()
    if train.embeddings is None or not folder.is_dir() or any((folder / name).exists() for name in _TABLE_LOGS):
        return None
    try:
        rows = ParquetRows(str(folder), source, train)
    except (OSError, KeyError, ValueError):  # Spark says what they are
        return None
    _check_columns(rows, source, train)
    return rows


def _check_columns(rows: Any, source: InputConfig, train: TrainConfig) -> None:
    check_text_column(rows, source.text_column)
    if train.label_column not in rows.columns:
        raise DataError(f"column {train.label_column!r} not found; the table has {rows.columns}; set --label-column")


def _stored_diagnostics(columns: list[str]) -> tuple[str, ...]:
    return DIAGNOSTICS if set(DIAGNOSTICS) <= set(columns) else ()


def _hash_point(text: Column) -> Column:
    return F.conv(F.substring(F.sha2(text, 256), 1, 8), 16, 10).cast("long") % _HASH_POINTS


def _take_share(rows: Any, share: float) -> Any:
    """Return the share of Arrow rows that `_point` gives on Spark."""
    if share >= 1.0:
        return rows
    import pyarrow as pa

    texts = [text or "" for text in column_values(rows["text"])]
    points = np.array([int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts], dtype=np.int64)
    return rows.filter(pa.array(points % _HASH_POINTS < int(share * _HASH_POINTS)))
