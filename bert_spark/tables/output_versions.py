"""Choose the version of an output, OUTPUT_v2 and so on, that belongs to this run's model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bert_spark.errors import FingerprintError
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.ownership import conflicting_owner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def matching_version(
    spark: SparkSession, output: OutputConfig, identity: Mapping[str, str], *, new: bool
) -> OutputConfig:
    """Return the output, or the version of it, OUTPUT_v2 and so on, that is this model's.

    Parameters
    ----------
    identity
        As in `stranger`.
    new
        Whether a version may be started where there is none of this model.

    Raises
    ------
    FingerprintError
        When all that is there is of other models, and `new` is not set; both are named.
    """
    first: str | None = None
    version = output
    number = 1
    while path_exists(spark, str(version.path), version.format):
        other = conflicting_owner(spark, version, identity)
        if other is None:
            return version
        first = first or other
        number += 1
        version = dataclasses.replace(output, path=f"{str(output.path).rstrip('/')}_v{number}")
    if first and not new:
        raise FingerprintError(f"{first}; pass --new-version to start {version.path!r} on purpose")
    return version
