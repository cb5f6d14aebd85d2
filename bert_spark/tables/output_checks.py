"""Refuse an output before any work: one that overlaps the input, exists, or belongs to another model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.output_address import check_output_address, is_path, overlap_error, path_pattern
from bert_spark.tables.outputs import path_exists, qualified_path, read_output
from bert_spark.tables.ownership import conflicting_owner
from bert_spark.tables.path_overlap import literal_prefix, paths_overlap, split_address

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def check_output_free(
    spark: SparkSession,
    output: OutputConfig,
    tweets: DataFrame,
    identity: Mapping[str, str],
    recorded: Callable[[], Mapping[str, str]],
) -> None:
    """Check that a plain run may write to `output`, whose address `check_output_path` has checked.

    Parameters
    ----------
    spark
        The session.
    output
        The output.
    tweets
        The rows of the input.
    identity, recorded
        As in `conflicting_owner`.

    Raises
    ------
    ConfigError
        If files of the input are files of an output that is to be overwritten.
    DataError
        If the output exists and `if_exists` is "error".
    FingerprintError
        If rows are to be appended to the output of another model, or of one that nothing names.
    """
    if not path_exists(spark, str(output.path), output.format):
        return
    if output.if_exists == "error":
        raise DataError(f"output {output.path!r} already exists; pass --overwrite, --append or another --output")
    conflict = conflicting_owner(spark, output, identity, recorded) if output.if_exists == "append" else None
    if conflict:
        raise FingerprintError(f"{conflict}; pass another --output, or --overwrite")
    if output.if_exists == "overwrite":
        _check_no_common_file(spark, output, tweets)


def _check_no_common_file(spark: SparkSession, output: OutputConfig, tweets: DataFrame) -> None:
    """Raise ConfigError if the output holds a file of the input, which may come by a link, a view or a table."""
    files = {split_address(unquote(file)) for file in tweets.inputFiles()}
    if output.format == "table":
        common = files & {split_address(unquote(file)) for file in read_output(spark, output).inputFiles()}
    else:
        storage, folder = split_address(qualified_path(spark, str(output.path)))
        common = {file for file in files if file[0] == storage and file[1].startswith(f"{folder}/")}
    if common:
        raise ConfigError(
            f"got --overwrite, but output {output.path!r} holds files of the input; pass another --output"
        )


def check_output_path(spark: SparkSession, output: OutputConfig, source: InputConfig) -> None:
    """Check the address of the output.

    Raises
    ------
    ConfigError
        If there is none, if it is not a table name where one is needed, or if it is the input, holds it, or lies in it.
    """
    check_output_address(output, source)
    if output.format == "table" or not is_path(source):
        return
    pattern = path_pattern(source)
    folder = literal_prefix(pattern) or "."
    address = qualified_path(spark, folder).rstrip("/") + "/" + pattern[len(folder) if folder != "." else 0 :]
    if paths_overlap(qualified_path(spark, str(output.path)), address):
        raise overlap_error(output, source)
