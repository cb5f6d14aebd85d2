"""Rows to learn from, in Parquet files that Spark wrote and this process reads itself, without a JVM."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.encoding.config import EncoderConfig
from bert_spark.spark.arrow_arrays import column_values
from bert_spark.spark.label_column import usable_labels
from bert_spark.spark.training_rows import stored_diagnostics, with_checked_columns
from bert_spark.spark.training_sample import Sample, first_in_arrow
from bert_spark.spark.training_vectors import column_to_learn_from
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.input_warnings import null_words_warning
from bert_spark.tables.parquet_footers import columns_in
from bert_spark.tables.references import find_columns
from bert_spark.tables.row_counts import NULL_WORDS
from bert_spark.training.config import TrainConfig

if TYPE_CHECKING:
    import pyarrow as pa


_TABLE_LOGS = ("_delta_log", "_spark_metadata", "metadata")  # a table's log says which of the files belong to it


class ParquetFiles:
    """Parquet files that Spark wrote and that this process can read, with Spark's types of their columns.

    Parameters
    ----------
    folder
        Of the files. Sub-folders such as run_date=2026-11-24 become a column.

    Raises
    ------
    ValueError, KeyError, OSError
        If Spark did not write the files, or they are not Parquet files.
    """

    def __init__(self, folder: str) -> None:
        from pyarrow import dataset

        self.dataset = dataset.dataset(folder, format="parquet", partitioning="hive")
        self.columns = list(self.dataset.schema.names)
        in_files = columns_in(self.dataset.schema.metadata or {})
        in_paths = [T.StructField(name, T.StringType()) for name in self.columns if name not in in_files.names]
        self.schema = T.StructType([*in_files.fields, *in_paths])


class ParquetRows:
    """Rows of an output of jobs/embed.py, in Parquet files that this process can read.

    Parameters
    ----------
    files
        The files.
    source, train
        The settings that name their columns.

    Raises
    ------
    DataError
        If the text or label column does not exist, or has a wrong type.
    """

    def __init__(self, files: ParquetFiles, source: InputConfig, train: TrainConfig) -> None:
        self._files, self.columns, self.schema = files.dataset, files.columns, files.schema
        self.path, self.vector = str(source.path), str(train.embedding_column)
        source = with_checked_columns(files, source, train)
        self._trim = train.trim_labels
        self._references = {"text": source.text_column, "label": train.label_column}

    def counts(self) -> tuple[int, int, int]:
        """Return the number of rows, of rows with a label, and of rows with a label and a text."""
        labelled = self._texts_and_labels.filter(self._texts_and_labels["label"].is_valid())
        return self._texts_and_labels.num_rows, labelled.num_rows, labelled.num_rows - labelled["text"].null_count

    def warnings(self) -> list[str]:
        """Return what the labels hint at. The texts were looked at when they were embedded."""
        labels = [str(label) for label in column_values(self._texts_and_labels["label"]) if label is not None]
        return null_words_warning("labels", sum(label in NULL_WORDS for label in labels), len(labels))

    def check_collectable(self, rows: int, width: int) -> None:
        """Do nothing: this process reads the files itself."""

    def pairs(self, size: int | None) -> tuple[pa.Table, Sample | None]:
        """Return text and label, and the sample."""
        usable = self._texts_and_labels.drop_null()
        return (usable, None) if size is None else first_in_arrow(usable, size)

    def vectors(self, sample: Sample | None) -> Iterator[pa.RecordBatch]:
        """Yield text, label, vector and diagnostics, batch by batch."""
        if sample is None:
            yield from self._labelled_batches()
        else:
            yield from sample.without_surplus(
                sample.in_arrow(batch.filter(batch["text"].is_valid())) for batch in self._labelled_batches()
            )

    def _labelled_batches(self) -> Iterator[pa.RecordBatch]:
        from pyarrow import dataset

        columns = {name: dataset.field(name) for name in stored_diagnostics(self.columns)}
        columns |= self._fields() | {"vector": dataset.field(self.vector)}
        for batch in self._files.to_batches(columns=columns, batch_size=8192):
            usable = self._with_usable_labels(batch)
            yield usable.filter(usable["label"].is_valid())

    @cached_property
    def _texts_and_labels(self) -> pa.Table:
        return self._with_usable_labels(self._files.to_table(columns=self._fields()))

    def _with_usable_labels(self, rows: Any) -> Any:
        labels = usable_labels(rows["label"], trim=self._trim)
        return rows.set_column(rows.schema.get_field_index("label"), "label", labels)

    def _fields(self) -> dict[str, Any]:
        """Return text and label as Arrow expressions: of several columns, the first that is not null."""
        from pyarrow import compute, dataset

        paths = {name: find_columns(self.schema, reference) for name, reference in self._references.items()}
        return {name: compute.coalesce(*[dataset.field(*path) for path in found]) for name, found in paths.items()}


def parquet_rows(source: InputConfig, train: TrainConfig, encoder: EncoderConfig | None = None) -> ParquetRows | None:
    """Return the rows of stored vectors if this process can read them itself; None if it needs Spark, or BERT runs.

    Parameters
    ----------
    source, train
        The settings. `train.embeddings`, if it is set, is the input.
    encoder
        The encoder that the settings describe; by default none in particular.

    Raises
    ------
    DataError
        If the text or label column does not exist, or no setting chooses one of several columns of vectors.
    FingerprintError
        If the settings describe another encoder than the vectors' own.
    """
    if train.embeddings is not None:
        source = dataclasses.replace(source, path=train.embeddings, format="parquet")
    folder = Path(str(source.path)).expanduser()
    is_plain = input_format(source) == "parquet" and not (source.null_value or source.records)
    if not is_plain or not folder.is_dir() or any((folder / name).exists() for name in _TABLE_LOGS):
        return None
    try:
        files = ParquetFiles(str(folder))
    except (OSError, KeyError, ValueError):  # not Spark's Parquet files: Spark reads them, or says what is wrong
        return None
    vector = column_to_learn_from(files, source, train, encoder or EncoderConfig())
    return None if vector is None else ParquetRows(files, source, dataclasses.replace(train, embedding_column=vector))
