"""Refuse an output before any work: one that is not named, equals the input, exists, or belongs to another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.ownership import conflicting_owner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def check_output_free(
    spark: SparkSession, output: OutputConfig, source: InputConfig, identity: Mapping[str, str]
) -> None:
    """Check that this run may write to `output`.

    Parameters
    ----------
    spark
        The session.
    output, source
        The output and the input.
    identity
        As in `conflicting_owner`.

    Raises
    ------
    ConfigError
        As `check_output_path` raises.
    DataError
        If the output exists and `if_exists` is "error".
    FingerprintError
        If rows are to be appended to another model's output.
    """
    check_output_path(output, source)
    if not path_exists(spark, str(output.path), output.format):
        return
    if output.if_exists == "error":
        raise DataError(f"output {output.path!r} already exists; pass --overwrite, --append or another --output")
    conflict = conflicting_owner(spark, output, identity) if output.if_exists == "append" else None
    if conflict:
        raise FingerprintError(f"{conflict}; pass another --output, or --overwrite")


def check_output_path(output: OutputConfig, source: InputConfig) -> None:
    """Check the name of the output.

    Raises
    ------
    ConfigError
        If there is none, if it is not a table name where one is needed, or if it is the input's.
    """
    if output.path is None:
        raise ConfigError("no output given; pass --output, or set [output] path")
    if output.format == "table" and "/" in output.path:
        raise ConfigError(f"output {output.path!r} is not a table name; expected a name such as main.tweets.scores")
    if output.path.rstrip("/") == (source.path or "").rstrip("/"):
        raise ConfigError(f"output {output.path!r} is the input; pass another --output")
