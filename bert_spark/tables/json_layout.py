"""Tell from the first lines of json files whether a record is a line, or a file holds an array or one document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from bert_spark.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession


_LINES, _ARRAY, _DOCUMENT = "json lines", "a json array", "one json document"


def is_multi_line(spark: SparkSession, path: str) -> bool:
    """Tell whether each json file holds an array, or one document over several lines, by the first that is not blank.

    All files must then hold one: of a file of json lines among them Spark reads the first record only, without an
    error.

    Raises
    ------
    DataError
        If another file holds json lines.
    """
    try:
        lines = spark.read.text(path).select("value", "_metadata").where(F.col("value").rlike(r"[^\s\x{feff}]"))
        first = lines.select(_layout()).take(1)
        if not first or first[0].layout == _LINES:
            return False
        position = F.struct("_metadata.file_block_start", F.monotonically_increasing_id()).alias("position")
        files = lines.select(_layout(), "_metadata.file_path", position).groupBy("file_path")
        file_of_lines = (
            files.agg(F.min_by("layout", "position").alias("layout")).where(F.col("layout") == _LINES).first()
        )
    except AnalysisException:  # a pattern that matches no file yet
        return False
    if file_of_lines is not None:
        raise DataError(
            f"{path!r} holds files of {first[0].layout} and files of json lines, such as {file_of_lines.file_path!r}; "
            "read them as two inputs"
        )
    return True


def _layout() -> Column:
    """Return the layout of a file whose first line is in the column "value": an open bracket at its end goes on."""
    # substrings of 64 characters: a line may be the whole file
    begins = F.regexp_replace(F.substring("value", 1, 64), r"^[\s\x{feff}]+", "")
    is_open = F.substring("value", -64, 64).rlike(r"[{\[]\s*$")
    layout = F.when(begins.startswith("["), _ARRAY).when(begins.startswith("{") & is_open, _DOCUMENT)
    return layout.otherwise(_LINES).alias("layout")
