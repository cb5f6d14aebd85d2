"""Refuse an output before any work: not named, equal to the input, there already, or another model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.ownership import conflicting_owner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
from bert_spark.tables.outputs import path_exists


def check_output_free(
    spark: SparkSession, output: OutputConfig, source: InputConfig, identity: Mapping[str, str]
) -> None:
    """Refuse, before any work, an output that is there already, is the input, or is another model's."""
    check_output_path(output, source)
    if not path_exists(spark, str(output.path), output.format):
        return
    if output.if_exists == "error":
        raise DataError(f"output {output.path!r} is there already; pass --overwrite, --append or another --output")
    other = conflicting_owner(spark, output, identity) if output.if_exists == "append" else None
    if other:
        raise FingerprintError(f"{other}; write to another --output, or --overwrite")


def check_output_path(output: OutputConfig, source: InputConfig) -> None:
    """Refuse an output that is not named, or that is the input."""
    if output.path is None:
        raise ConfigError("no output given; pass --output, or set [output] path")
    if output.format == "table" and "/" in output.path:
        raise ConfigError(f"output {output.path!r} is no table's name; expected e.g. main.tweets.scores")
    if output.path.rstrip("/") == (source.path or "").rstrip("/"):
        raise ConfigError(f"output {output.path!r} is the input; pass another --output")
