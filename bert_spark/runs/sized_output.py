"""Write the rows of a plain run in files of `--target-file-mb`: BERT's rows are stored first, and sized from there.

Rows are never moved between tasks after BERT. A task that runs again may compute other last bits, and Spark moves rows
by their values: some would be moved twice and others never.
"""

from __future__ import annotations

import dataclasses
import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bert_spark.errors import SetupError
from bert_spark.runs.replaced_output import STAGE_PREFIX, lock_replacement, staged_table_name, staging_area
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import read_output
from bert_spark.tables.schema import exact_column
from bert_spark.tables.writers import write_output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_UNSIZED = "unsized"


def write_sized_output(
    rows: DataFrame, output: OutputConfig, target: OutputConfig, finish: Callable[[DataFrame], DataFrame]
) -> None:
    """Write a result. With `target_file_mb` it is stored in the tasks that compute it, and written again from there.

    Parameters
    ----------
    rows
        The result.
    output
        The output as set.
    target
        Where the rows are to be written: the output, or the folder or table whose rows will replace it.
    finish
        As in `write_output`: applied in the tasks that compute the rows.

    Raises
    ------
    LockedError
        If another run replaces or sizes the same output.
    SetupError
        If this process cannot reach the folder beside the output.
    """
    if target.target_file_mb is None:
        write_output(rows, target, finish)
        return
    with _stored_first(rows.sparkSession, output, target) as first:
        finished = finish(rows)
        write_output(finished, first, lambda rows: rows)
        stored = read_output(rows.sparkSession, first)
        # Iceberg keeps no metadata of columns
        named = [exact_column(field.name).alias(field.name, metadata=field.metadata) for field in finished.schema]
        write_output(stored.select(*named), target)


@contextmanager
def _stored_first(spark: SparkSession, output: OutputConfig, target: OutputConfig) -> Iterator[OutputConfig]:
    """Yield where the rows are stored before they are sized. They are removed at the end."""
    unsized = dataclasses.replace(target, target_file_mb=None, if_exists="error")
    if output.format == "table":
        table = staged_table_name(output, f"{_UNSIZED}_{secrets.token_hex(4)}")
        try:
            yield dataclasses.replace(unsized, path=table)
        finally:
            spark.sql(f"DROP TABLE IF EXISTS {table}")
        return
    unsized = dataclasses.replace(unsized, format="parquet")
    if target.path != output.path:  # in the stage of a run with --overwrite, which that run removes
        yield dataclasses.replace(unsized, path=f"{posixpath.dirname(str(target.path))}/{_UNSIZED}")
        return
    area = staging_area(spark, output)
    if area is None:
        raise SetupError(
            f"--target-file-mb writes the rows twice, first beside output {output.path!r}, which this process cannot "
            "reach; leave the option out, or install the package for that storage (s3fs, gcsfs, adlfs)"
        )
    name = f"{STAGE_PREFIX}{secrets.token_hex(4)}"
    with lock_replacement(area, output):
        try:
            yield dataclasses.replace(unsized, path=f"{(area.staging / name).uri}/{_UNSIZED}")
        finally:
            area.staging.remove(name)
