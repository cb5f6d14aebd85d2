"""Replace a whole output with `--overwrite`: rows are written beside it and take its place once they are complete."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.errors import DataError, SetupError
from bert_spark.runs.lock import Lock, acquired
from bert_spark.runs.staging_area import StagingArea, staging_area_for
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.merged_table import ATOMIC_FORMATS
from bert_spark.tables.outputs import output_schema, path_exists, table_properties, table_provider
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY
from bert_spark.tables.run_records import records_of_output

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

STAGE_PREFIX = "whole-"
_ROWS = "rows"
_COMPLETE = "complete.json"  # written once all rows are there: from then on they only have to take their place


@contextmanager
def replaced_output(spark: SparkSession, output: OutputConfig) -> Iterator[OutputConfig]:
    """Yield where a plain run writes its rows. If the block ends without an error, they replace the output.

    The output is yielded itself unless an existing one is to be overwritten, or if its format replaces all rows of a
    table in one step.

    Raises
    ------
    DataError
        If the output to overwrite was not written by this package, or holds files of others.
    LockedError
        If another run replaces the same output.
    """
    if output.if_exists != "overwrite" or not path_exists(spark, str(output.path), output.format):
        yield output
    elif output.format == "table":
        yield from _replaced_table(spark, output)
    else:
        yield from _replaced_folder(spark, output)


def finish_killed_replacement(spark: SparkSession, output: OutputConfig) -> None:
    """Complete what a killed run with `--overwrite` began: put its complete rows in place, remove incomplete ones."""
    if output.format == "table":
        staged = staged_table_name(output)
        if spark.catalog.tableExists(staged) and not spark.catalog.tableExists(str(output.path)):
            logger.warning("putting the complete rows of a killed run in place: %s", output.path)
            _rename_staged(spark, output)
        return
    area = staging_area(spark, output)
    if area is None or not _stages(area):
        return
    with lock_replacement(area, output):
        for name in _stages(area):
            stage = area.staging / name
            if stage.exists(_COMPLETE) and stage.exists(_ROWS):
                logger.warning("putting the complete rows of a killed run in place: %s", output.path)
                _put_in_place(area, name)
            _remove_stage(area, name)


def _replaced_folder(spark: SparkSession, output: OutputConfig) -> Iterator[OutputConfig]:
    area = staging_area(spark, output)
    if area is not None and not area.base.exists(area.name):
        area = None  # a folder of the server's machine, seen from a client of Spark Connect
    _check_own(spark, output, area)
    if output.format in ATOMIC_FORMATS:
        yield output
        return
    if area is None:
        logger.warning(
            "the output %s is replaced in place, since this process cannot reach it: if the run fails, the old rows "
            "are lost. On an object store, install the package for it (s3fs, gcsfs, adlfs)",
            output.path,
        )
        yield output
        return
    with lock_replacement(area, output) as lock:
        name = f"{STAGE_PREFIX}{secrets.token_hex(4)}"
        stage = area.staging / name
        try:
            yield dataclasses.replace(output, path=f"{stage.uri}/{_ROWS}", if_exists="error")
            lock.check()
            stage.write(_COMPLETE, json.dumps({"output": output.path}))
            _put_in_place(area, name)
        except BaseException:
            if not stage.exists(_COMPLETE):
                area.staging.remove(name)
            raise
        _remove_stage(area, name)


def _put_in_place(area: StagingArea, name: str) -> None:
    area.base.replace(area.name, f"_staging/{area.name}/{name}/{_ROWS}")


def _remove_stage(area: StagingArea, name: str) -> None:
    """Remove a stage. Its rows may then be incomplete, so the mark that they are complete goes first."""
    (area.staging / name).remove(_COMPLETE)
    area.staging.remove(name)


def _replaced_table(spark: SparkSession, output: OutputConfig) -> Iterator[OutputConfig]:
    _check_own(spark, output, None)
    if table_provider(spark, str(output.path)) in ATOMIC_FORMATS:
        yield output
        return
    staged = staged_table_name(output)
    yield dataclasses.replace(output, path=staged)
    spark.sql(f"DROP TABLE {output.path}")
    _rename_staged(spark, output)


def staged_table_name(output: OutputConfig, what: str = "staged") -> str:
    """Return the name of a table beside an output that is a table."""
    name = str(output.path)
    suffix = f"_bert_spark_{what}"
    return f"{name[:-1]}{suffix}`" if name.endswith("`") else f"{name}{suffix}"


def _rename_staged(spark: SparkSession, output: OutputConfig) -> None:
    """Give the staged table the name of the output. Spark keeps the schema that a new name does not state."""
    name = re.findall(r"`[^`]+`|[^.]+", str(output.path))[-1]
    spark.sql(f"ALTER TABLE {staged_table_name(output)} RENAME TO {name}")


def staging_area(spark: SparkSession, output: OutputConfig) -> StagingArea | None:
    """Return the folders beside an output; None if this process cannot reach its storage."""
    try:
        return staging_area_for(spark, output, None)
    except SetupError:
        return None


def lock_replacement(area: StagingArea, output: OutputConfig) -> AbstractContextManager[Lock]:
    """Return a context in which no other plain run stages rows for this output."""
    return acquired(area.lock_folders[0], f"a plain run into {output.path}")


def _stages(area: StagingArea) -> list[str]:
    return [name for name in area.staging.names() if name.startswith(STAGE_PREFIX)]


def _check_own(spark: SparkSession, output: OutputConfig, area: StagingArea | None) -> None:
    """Raise DataError if an output holds anything that a run of this package did not write."""
    if area is not None:
        names = (area.base / area.name).names()
        foreign = [name for name in names if not name.startswith(("part-", "_", ".")) and "=" not in name]
        if not names:
            return
        if foreign:
            raise DataError(
                f"got --overwrite, but output {output.path!r} also holds {foreign[0]!r}, which no run wrote "
                f"({len(foreign)} such names); nothing was changed. Pass another --output, or move them away"
            )
        if any(records_of_output(area.records, str(output.path))):
            return
    if not _names_a_model(spark, output):
        raise DataError(
            f"got --overwrite, but no run of bert_spark wrote output {output.path!r}: no record beside it and no "
            "column names its model; nothing was changed. Pass another --output, or remove it yourself"
        )


def _names_a_model(spark: SparkSession, output: OutputConfig) -> bool:
    properties = table_properties(spark, output)
    if any(key.startswith("bert_spark.") for key in properties):
        return True
    try:
        fields = output_schema(spark, output).fields
    except AnalysisException:  # a folder without any file in it
        return True
    return any(key in field.metadata for field in fields for key in (FINGERPRINT_KEY, ARTEFACT_KEY))
