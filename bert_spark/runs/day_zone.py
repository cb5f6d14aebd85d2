"""The time zone in which a run counts days: that of --time-zone, else one that was set for the session, else UTC.

Without it, a timestamp's day would follow the machine: Spark's own default is the time zone of the driver.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pyspark.errors import PySparkException

from bert_spark.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

SESSION_ZONE = "spark.sql.session.timeZone"
DEFAULT_ZONE = "UTC"


@contextmanager
def days_in_zone(spark: SparkSession, zone: str | None) -> Iterator[str]:
    """Turn timestamps into days in one time zone while the block runs, and yield that zone.

    Parameters
    ----------
    spark
        The session. Its time zone is set during the block.
    zone
        The zone of --time-zone; None if it is not set.

    Raises
    ------
    ConfigError
        If Spark does not know the zone.
    """
    current = str(spark.conf.get(SESSION_ZONE))
    # SET lists what was set, and leaves out defaults: those of a machine say nothing about the data
    was_set = SESSION_ZONE in {row["key"] for row in spark.sql("SET").collect()}
    chosen = zone or (current if was_set else DEFAULT_ZONE)
    if zone is None and not _is_same_zone(chosen, current):
        logger.warning(
            "days are counted in %s, and not in this machine's time zone %s; set --time-zone for days of another zone",
            chosen,
            current,
        )
    try:
        spark.conf.set(SESSION_ZONE, chosen)
    except PySparkException as err:
        raise ConfigError(
            f"time_zone={zone!r} is not known to Spark; expected a name such as Europe/Berlin, or an offset such as "
            "+02:00"
        ) from err
    try:
        yield chosen
    finally:
        if was_set:
            spark.conf.set(SESSION_ZONE, current)
        else:
            spark.conf.unset(SESSION_ZONE)


def _is_same_zone(one: str, other: str) -> bool:
    """Tell whether two names mean zones of equal clocks, as UTC and Etc/UTC do: on the first of each month."""
    if one == other:
        return True
    try:
        zones = ZoneInfo(one), ZoneInfo(other)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    months = [datetime.datetime(year, month, 1) for year in range(2000, 2030) for month in range(1, 13)]
    return all(zones[0].utcoffset(month) == zones[1].utcoffset(month) for month in months)
