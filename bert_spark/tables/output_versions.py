"""Choose the version of an output, OUTPUT_v2 and so on, that belongs to this run's model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bert_spark.errors import FingerprintError
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import path_exists
from bert_spark.tables.ownership import conflicting_owner

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def matching_version(
    spark: SparkSession,
    output: OutputConfig,
    identity: Mapping[str, str],
    recorded: Callable[[OutputConfig], Mapping[str, str]],
    *,
    new: bool,
) -> OutputConfig:
    """Return the output, or the first of its versions OUTPUT_v2, OUTPUT_v3, ... that is this model's or does not exist.

    Parameters
    ----------
    spark
        The session.
    output
        The output as set.
    identity
        As in `conflicting_owner`.
    recorded
        Returns for a version what `conflicting_owner` takes by this name.
    new
        Whether a version may be started if every existing one belongs to another model.

    Raises
    ------
    FingerprintError
        If every existing version belongs to another model and `new` is not set. The message names both models.
    """
    first_conflict: str | None = None
    version = output
    number = 1
    while path_exists(spark, str(version.path), version.format):
        conflict = conflicting_owner(spark, version, identity, functools.partial(recorded, version))
        if conflict is None:
            return version
        first_conflict = first_conflict or conflict
        number += 1
        version = dataclasses.replace(output, path=f"{str(output.path).rstrip('/')}_v{number}")
    if first_conflict and not new:
        raise FingerprintError(f"{first_conflict}; pass --new-version to start {version.path!r}")
    return version
