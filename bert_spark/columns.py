"""What a table's columns must be before any work starts, and what a column of vectors says of its encoder."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.config import EncoderConfig, from_mapping
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.model import config_fingerprint

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

DIAGNOSTICS = ("token_count", "truncated", "unknown_share")
COUNTED = (*DIAGNOSTICS, "reused")
HIDDEN = "_bert_spark_"
MALFORMED_COLUMN = "_malformed_record"  # set by sources.read: the raw text of a record that could not be parsed
# Metadata of an embedding column; Parquet, Delta and tables keep it, so that vectors say themselves who made them.
FINGERPRINT_KEY = "bert_spark.fingerprint"
ENCODER_KEY = "bert_spark.encoder"
ARTEFACT_KEY = "bert_spark.artefact"  # of a column of labels: the digest of the artefact that gave them


def vector_metadata(config: EncoderConfig) -> dict[str, str]:
    """Return the metadata of a column of vectors: its encoder's fingerprint and settings."""
    return {FINGERPRINT_KEY: config_fingerprint(config), ENCODER_KEY: json.dumps(config.settings(), sort_keys=True)}


def encoder_of(metadata: Mapping[str, Any], where: str) -> tuple[EncoderConfig, str]:
    """Return the settings and fingerprint that a column of vectors carries.

    Raises
    ------
    DataError
        When it carries none: the vectors are not an output of this package.
    """
    if ENCODER_KEY not in metadata:
        raise DataError(f"{where} does not say which encoder made its vectors; expected an output of jobs/embed.py")
    return from_mapping(EncoderConfig, json.loads(metadata[ENCODER_KEY]), where), str(metadata[FINGERPRINT_KEY])


def named_diagnostics(diagnostics: Collection[str]) -> dict[str, str]:
    """Return diagnostic -> column name, from such a mapping or from plain names.

    Raises
    ------
    ConfigError
        For a diagnostic that does not exist.
    """
    unknown = sorted(set(diagnostics) - set(COUNTED))
    if unknown:
        raise ConfigError(f"diagnostics {unknown} are unknown; known are {list(COUNTED)}")
    return dict(diagnostics) if isinstance(diagnostics, Mapping) else {name: name for name in diagnostics}


def counted_diagnostics(*, shown: bool) -> dict[str, str]:
    """Return all diagnostics for a job to count, under their own names where they are `shown`, else under ours."""
    return {name: name if shown and name in DIAGNOSTICS else f"{HIDDEN}{name}" for name in COUNTED}


def without_hidden(df: DataFrame) -> DataFrame:
    """Return `df` without the columns that were there to be counted only."""
    return df.drop(*(name for name in df.columns if name.startswith(HIDDEN)))


class Table(Protocol):
    """What has columns of Spark's types: a DataFrame, or files that are read without Spark."""

    @property
    def columns(self) -> list[str]:
        """Their names."""

    @property
    def schema(self) -> T.StructType:
        """Their types."""


def check_text_column(df: Table, name: str) -> None:
    """Raise DataError when a table has no string column `name`."""
    if name not in df.columns:
        found = [column for column in df.columns if column != MALFORMED_COLUMN]
        raise DataError(f"column {name!r} not found; the table has {found}; set --text-column")
    kind = df.schema[name].dataType
    if not isinstance(kind, (T.StringType, T.VarcharType, T.CharType)):
        raise DataError(
            f"column {name!r} is {kind.simpleString()}; expected string; cast it first, e.g. "
            f"df.withColumn({name!r}, F.col({name!r}).cast('string')), or pick another with --text-column"
        )


def check_free(df: DataFrame, names: Sequence[str]) -> None:
    """Raise DataError when a column this job is to add is in the table already."""
    lower = {column.lower(): column for column in df.columns}
    taken = sorted(lower[name.lower()] for name in names if name.lower() in lower)
    if taken:
        raise DataError(
            f"the input has {taken} already; rename ours with --embedding-column or --error-column, or drop "
            f"theirs first"
        )


def check_vectors(df: Table, name: str, fingerprint: str) -> None:
    """Raise when column `name` holds no vectors, or vectors of another encoder than `fingerprint`."""
    if name not in df.columns:
        raise DataError(f"column {name!r} not found; the table has {df.columns}; set --embedding-column")
    field = df.schema[name]
    if field.dataType != T.ArrayType(T.FloatType()):
        raise DataError(f"column {name!r} is {field.dataType.simpleString()}; expected array<float>")
    found = field.metadata.get(FINGERPRINT_KEY)
    if found is not None and found != fingerprint:
        raise FingerprintError(
            f"column {name!r} holds vectors of encoder {found[:12]}, the artefact was trained on {fingerprint[:12]}; "
            "embed the texts again with the artefact's encoder, or train on these vectors"
        )


def column_of(name: str) -> Column:
    """Return the column of exactly this name: with a dot in it, Spark would look for a field of a struct."""
    quoted = name.replace("`", "``")
    return F.col(f"`{quoted}`")


def text_of(name: str) -> Column:
    """Return the column of this name as text: bytes that are no UTF-8, which Spark hands on, as U+FFFD."""
    text = column_of(name).cast("string")
    # before Spark 4, decode itself replaces what it can't read
    return F.make_valid_utf8(text) if hasattr(F, "make_valid_utf8") else F.decode(text.cast("binary"), "UTF-8")


def usable_text(df: DataFrame, text_column: str) -> Column:
    """Return the text column, null in malformed records: what was parsed of those is not to be trusted."""
    text = text_of(text_column)
    return F.when(F.col(MALFORMED_COLUMN).isNull(), text) if MALFORMED_COLUMN in df.columns else text
