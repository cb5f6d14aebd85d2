"""Look at an input before BERT runs: how it is read, what it holds, and what a tokenizer makes of its texts.

Reads all records, without BERT. What is not set is guessed, and marked as a guess.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from pyspark.errors import AnalysisException

from bert_spark.encoding.token_counts import TokenCounter
from bert_spark.errors import DataError, NoInputError
from bert_spark.spark.label_column import check_label_column, usable_label
from bert_spark.storage import first_bytes
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_warnings import input_warnings, null_words_warning
from bert_spark.tables.output_address import path_pattern
from bert_spark.tables.profile import ColumnProfile, first_values, null_words, profile_columns, value_counts
from bert_spark.tables.readers import load_input
from bert_spark.tables.row_counts import NULL_WORDS, input_counts
from bert_spark.tables.schema import usable_text
from bert_spark.tables.sniffing import SNIFFED_BYTES, sniff
from bert_spark.tables.stored_vectors import vector_columns, vectors_found
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.settings import JobSettings


MOST_CLASSES = 100
_LABEL_NAMES = ("label", "sentiment", "class", "target", "category", "emotion", "mood", "polarity", "stance")
_ID_NAMES = ("id", "key", "index", "_c0")
_NEVER_SNIFFED = ("table", "delta", "parquet", "orc")


@dataclass(frozen=True)
class TokenFacts:
    """What a tokenizer makes of some texts: their number, the length at which they are cut, and shares from 0 to 1."""

    texts: int
    max_length: int
    truncated: float
    unknown: float


@dataclass(frozen=True)
class Inspection:
    """What was found in an input.

    Attributes
    ----------
    source
        The settings with which it is read, guesses included.
    rows, malformed
        Records, and those that cannot be parsed.
    columns
        The profile of each column.
    label, labels, without_label
        The column of labels, None without one; the most frequent labels with their rows; rows without a label.
    guessed
        Which of "text" and "label" were guessed.
    tokens
        What the tokenizer makes of the texts.
    warnings
        What looks wrongly read.
    vectors
        Lines about vectors that the input holds.
    examples
        Column -> some values; empty unless they were asked for.
    """

    source: InputConfig
    rows: int
    malformed: int
    columns: Sequence[ColumnProfile]
    label: str | None
    labels: Mapping[Any, int]
    without_label: int
    guessed: frozenset[str]
    tokens: TokenFacts
    warnings: Sequence[str]
    vectors: Sequence[str]
    examples: Mapping[str, Sequence[str]]


def look_at(spark: SparkSession, job: JobSettings) -> Inspection:
    """Return what the input of jobs/inspect.py holds.

    Raises
    ------
    DataError
        If the input cannot be read, or lacks a column that is set.
    NoInputError
        If it holds no records.
    ModelError
        If the tokenizer is not on this machine and cannot be fetched.
    """
    counter = TokenCounter(job.encoder)
    source = _sniffed(spark, job.input)
    rows = load_input(spark, source)
    count, malformed, columns = profile_columns(rows)
    if not count:
        raise NoInputError(f"{source.path!r} holds no records")
    label = _label_column(rows, job.inspect.label_column, columns, count)
    with_text = _with_text(rows, source, label, columns)
    source = dataclasses.replace(with_text, id_column=source.id_column or _id_column(columns, count, with_text, label))
    labels, without_label = _labels(rows, label)
    warnings, words = _warnings(rows, source, labels)
    guesses = {"text": _is_guessed(rows, with_text, job.input, label), "label": label != job.inspect.label_column}
    return Inspection(
        source if source.null_value else dataclasses.replace(source, null_value=words),
        count,
        malformed,
        columns,
        label,
        labels,
        without_label,
        frozenset(name for name, is_guess in guesses.items() if is_guess),
        _token_facts(rows, source, counter, job.inspect.sample, count),
        warnings,
        [vectors_found(source, field) for field in vector_columns(rows.schema)],
        first_values(rows, [column.name for column in columns]) if job.inspect.examples else {},
    )


def _sniffed(spark: SparkSession, config: InputConfig) -> InputConfig:
    """Return the settings with what the first bytes of the first file suggest; unchanged for tables."""
    if config.format in _NEVER_SNIFFED:
        return config
    source = dataclasses.replace(config, path=path_pattern(config))
    try:
        files = sorted(spark.read.format("binaryFile").load(str(source.path)).inputFiles())
    except AnalysisException:  # a table's name, or no such file: the reader says so
        return source
    found = ((unquote(file), first_bytes(unquote(file), SNIFFED_BYTES)) for file in files)
    return next((sniff(data, source, file) for file, data in found if data), source)


def _with_text(
    rows: DataFrame, source: InputConfig, label: str | None, columns: Sequence[ColumnProfile]
) -> InputConfig:
    """Return the settings with the column of the texts: if nothing names it, that of the longest strings."""
    strings = [column for column in columns if column.kind == "string" and column.name not in (label, source.id_column)]
    try:
        return with_text_column(rows, source, [label])
    except DataError:
        if source.text_column != InputConfig().text_column or not strings:
            raise
    return dataclasses.replace(source, text_column=max(strings, key=lambda column: column.characters).name)


def _is_guessed(rows: DataFrame, source: InputConfig, given: InputConfig, label: str | None) -> bool:
    try:
        return with_text_column(rows, given, [label]).text_column != source.text_column
    except DataError:
        return True


def _label_column(rows: DataFrame, chosen: str | None, columns: Sequence[ColumnProfile], count: int) -> str | None:
    """Return the column of labels: the one that is set, else one with few different values whose name fits, if any."""
    if chosen is not None:
        check_label_column(rows, chosen)
        return chosen
    most = min(MOST_CLASSES, count // 2)
    fitting = (
        column.name
        for column in columns
        if 2 <= (column.different or 0) <= most and any(name in column.name.lower() for name in _LABEL_NAMES)
    )
    return next(fitting, None)


def _id_column(columns: Sequence[ColumnProfile], count: int, source: InputConfig, label: str | None) -> str | None:
    """Return a column whose name is that of an id and whose values seem to differ, if there is one."""
    for column in columns:
        name = column.name.lower()
        is_named = name in _ID_NAMES or name.endswith(("_id", "id_str"))
        differs = not column.nulls and (column.different or 0) >= 0.9 * count  # the number is approximate
        if is_named and differs and column.name not in (label, source.text_column):
            return column.name
    return None


def _labels(rows: DataFrame, column: str | None) -> tuple[dict[Any, int], int]:
    if column is None:
        return {}, 0
    label = usable_label(rows, column, trim=False)
    return value_counts(rows, label, MOST_CLASSES + 1), rows.where(label.isNull()).count()


def _warnings(rows: DataFrame, source: InputConfig, labels: Mapping[Any, int]) -> tuple[list[str], tuple[str, ...]]:
    """Return what looks wrongly read, and which words of texts and labels may mean a missing value."""
    counts = rows.agg(*input_counts(rows, source.text_column)).collect()[0].asDict()
    words = [label for label in labels if label in NULL_WORDS]
    of_labels = null_words_warning("labels", sum(labels[word] for word in words), max(1, sum(labels.values())))
    if null_words_warning("texts", counts["rows_null_words"], counts["rows_in"]):
        words = [*null_words(rows, usable_text(rows, source.text_column)), *(words if of_labels else [])]
    elif not of_labels:
        words = []
    return input_warnings(counts) + of_labels, tuple(dict.fromkeys(words))


def _token_facts(rows: DataFrame, source: InputConfig, counter: TokenCounter, size: int, count: int) -> TokenFacts:
    """Let the tokenizer read a random sample of the texts."""
    text = usable_text(rows, source.text_column)
    texts = rows.select(text.alias("text")).where("text is not null")
    if count > size:
        texts = texts.sample(fraction=min(1.0, 1.2 * size / count), seed=0)
    sample = [row.text for row in texts.limit(size).collect()]
    if not sample:
        return TokenFacts(0, counter.max_length, 0.0, 0.0)
    found = counter.count(sample)
    read = np.minimum(found.token_count, counter.max_length)
    return TokenFacts(
        len(sample),
        counter.max_length,
        float((found.token_count > counter.max_length).mean()),
        float((found.unknown_share * read).sum() / max(1, read.sum())),
    )
