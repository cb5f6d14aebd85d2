"""What the footers of Parquet files say without a job of Spark: the columns that Spark wrote, and how many rows.

A job of Spark that reads one footer takes longer than to read a hundred of them here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import types as T

if TYPE_CHECKING:
    from bert_spark.storage import Folder

logger = logging.getLogger(__name__)

_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"  # where Spark stores its own schema in a Parquet file
_MOST_FILES = 100  # Spark reads more of them faster


def columns_in(metadata: Mapping[bytes, bytes]) -> T.StructType:
    """Return the columns that Spark stored in the metadata of a Parquet file.

    Raises
    ------
    KeyError
        If Spark did not write the file.
    """
    return T.StructType.fromJson(json.loads(metadata[_SPARK_SCHEMA]))


def written_columns(folder: Folder) -> T.StructType | None:
    """Return the columns of the files that Spark wrote to a folder; None if there are none, or if they don't say it.

    Some of them may not be nullable, as when they were written. Spark's readers make them nullable.
    """
    import pyarrow.parquet as pq

    try:
        name = next((name for name in folder.names() if name.startswith("part-")), None)
        if name is None:
            return None
        with folder.open(name) as file:
            return columns_in(pq.read_metadata(file).metadata or {})
    except Exception as err:  # each storage raises its own; Spark is asked then
        logger.debug("the footers in %s are not read by this process: %s", folder.uri, err)
        return None


def written_rows(folder: Folder) -> int | None:
    """Return how many rows the Parquet files in a folder hold.

    None if this process does not read that: the folder is not on this machine, does not exist, holds folders or more
    than 100 files, or a file is not whole.
    """
    import pyarrow.parquet as pq

    if not folder.is_local:
        return None
    rows = 0
    try:
        names = [name for name in folder.names() if not name.startswith((".", "_"))]  # Spark does not read these
        if not 0 < len(names) <= _MOST_FILES:
            return None
        for name in names:
            with folder.open(name) as file:
                rows += pq.read_metadata(file).num_rows
    except (OSError, ValueError) as err:
        logger.debug("the footers in %s are not read by this process: %s", folder.uri, err)
        return None
    return rows
