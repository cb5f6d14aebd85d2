"""Read dates that are texts, in Spark's default format or in that of `--date-format`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from bert_spark.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession


_WEEKDAY = re.compile(r"^E{1,4}[,.]?\s+")  # at the start of a format: Spark writes weekdays, and reads none


def parsed_date(text: Column, date_format: str | None) -> Column:
    """Return a column of texts as dates, null where a text is not one. Times count in the session's time zone."""
    if date_format is None:
        return F.try_to_timestamp(text).cast("date")
    if _WEEKDAY.match(date_format):
        text = F.regexp_replace(text, r"^\p{L}+[,.]?\s+", "")
    return F.try_to_timestamp(text, F.lit(_WEEKDAY.sub("", date_format))).cast("date")


def check_date_format(spark: SparkSession, date_format: str | None) -> None:
    """Raise ConfigError if Spark cannot read dates of a format.

    Sets Spark 3.5 to read by this format alone, as later versions do. It would otherwise end with an error where an
    older version of Spark reads a date in another way.
    """
    if date_format is None:
        return
    spark.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")
    try:
        spark.range(1).select(parsed_date(F.lit("x"), date_format)).collect()
    except (PySparkException, Py4JJavaError) as err:
        raise ConfigError(
            f"date_format={date_format!r} is not a format that Spark reads; expected e.g. dd-MM-yyyy or "
            "EEE MMM dd HH:mm:ss Z yyyy"
        ) from err
