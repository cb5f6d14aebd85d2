"""A branch of an Iceberg table: rows are written to it, and no reader of the table sees them until they are published.

Knows nothing of runs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.tables.outputs import table_facts, table_provider

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

_PART = re.compile(r"`[^`]+`|[^.]+")  # of a table's name
# Entries of the summary of the snapshot that holds a branch's rows.
_BRANCH_ENTRY, _KEY_ENTRY = "bert_spark.branch", "bert_spark.key"
# Options of a write. Iceberg would move rows between tasks, by their partition, before it writes them. Rows that BERT
# computes are never moved: see runs/sized_output.py. The second option keeps Iceberg from sorting them instead.
UNMOVED = {"distribution-mode": "none", "fanout-enabled": "true"}


@dataclass(frozen=True)
class TableBranch:
    """A branch that holds one replaced part of a table.

    Parameters
    ----------
    table
        The table's full name with its catalog, see `full_name`.
    name
        The branch's name: letters, digits and _.
    key
        Identifies what the rows were made of; see `published_key`.
    owner
        Whose vectors or labels the rows are; see `ownership.mark_owner`.
    """

    table: str
    name: str
    key: str
    owner: Mapping[str, str]

    @property
    def address(self) -> str:
        """The branch as Spark reads and writes it."""
        return f"{self.table}.branch_{self.name}"

    def create(self, spark: SparkSession) -> None:
        """Create the branch with the rows that the table has now.

        Raises
        ------
        PySparkException
            If this session has no SQL for branches, which Iceberg's extensions add.
        """
        spark.sql(f"ALTER TABLE {self.table} CREATE BRANCH {self.name}")

    def exists(self, spark: SparkSession) -> bool:
        """Tell whether the table and the branch exist."""
        return spark.catalog.tableExists(self.table) and bool(
            spark.sql(f"SELECT 1 FROM {self.table}.refs WHERE name = '{self.name}'").collect()
        )

    def rows(self, spark: SparkSession, condition: str) -> DataFrame:
        """Return those rows of the branch that a condition selects."""
        return spark.table(self.address).where(condition)

    def replace(self, rows: DataFrame, condition: str) -> None:
        """Replace those rows of the branch that a condition selects, in one commit. No row is moved between tasks."""
        self._replace(rows, self.address, condition, UNMOVED)

    def is_published(self, spark: SparkSession) -> bool:
        """Tell whether the rows have been published. Others may have changed them since."""
        written = spark.table(f"{self.table}.snapshots").where(F.col("summary")[_BRANCH_ENTRY] == self.name)
        snapshots = [row["snapshot_id"] for row in written.select("snapshot_id").collect()]
        history = spark.table(f"{self.table}.history").where(F.col("snapshot_id").isin(snapshots))
        return bool(history.where("is_current_ancestor").collect())

    def publish(self, spark: SparkSession, condition: str) -> None:
        """Make the rows of the branch those of the table, in one step. Call it unless `is_published`.

        If others have committed to the table since the branch was created, its rows are written again onto their
        commits, and replace what the condition selects there.

        Parameters
        ----------
        spark
            The session.
        condition
            As in `replace`.
        """
        catalog = _PART.findall(self.table)[0]
        arguments = f"table => '{self.table}', branch => 'main', to => '{self.name}'"
        try:
            spark.sql(f"CALL {catalog}.system.fast_forward({arguments})")
        except PySparkException as err:
            reason = str(err).splitlines()[0]
            logger.warning("the staged rows are written again, onto the newest commit to %s: %s", self.table, reason)
            self._replace(self.rows(spark, condition), self.table, condition, {})

    def drop(self, spark: SparkSession) -> None:
        """Drop the branch; do nothing if it does not exist."""
        if spark.catalog.tableExists(self.table):
            spark.sql(f"ALTER TABLE {self.table} DROP BRANCH IF EXISTS {self.name}")

    def _replace(self, rows: DataFrame, address: str, condition: str, options: dict[str, str]) -> None:
        writer = rows.writeTo(address)
        summary = {f"snapshot-property.{_BRANCH_ENTRY}": self.name, f"snapshot-property.{_KEY_ENTRY}": self.key}
        for name, value in (options | summary).items():
            writer = writer.option(name, value)
        writer.overwrite(F.expr(condition))


def is_iceberg(spark: SparkSession, table: str) -> bool:
    """Tell whether a table is one of Iceberg. If it does not exist, its catalog says what it would be."""
    if spark.catalog.tableExists(table):
        return table_provider(spark, table) == "iceberg"
    first = _PART.findall(table)[0].strip("`")
    catalog = first if spark.conf.get(f"spark.sql.catalog.{first}", None) else spark.catalog.currentCatalog()
    kind = spark.conf.get(f"spark.sql.catalog.{catalog}", None) or ""
    if kind.endswith(".SparkSessionCatalog"):  # it holds tables of other formats too
        return spark.conf.get("spark.sql.sources.default") == "iceberg"
    return kind.startswith("org.apache.iceberg.spark.")


def full_name(spark: SparkSession, table: str) -> str:
    """Return the name of an existing Iceberg table with its catalog and namespace."""
    name = table_facts(spark, table)["Name"]
    return ".".join(f"`{part}`" for part in name.split("."))


def is_partitioned_by(spark: SparkSession, table: str, column: str) -> bool:
    """Tell whether rows with one value of a column of dates are in partitions of their own."""
    kinds = [field.dataType for field in spark.table(f"{table}.partitions").schema if field.name == "partition"]
    return any(isinstance(kind, T.StructType) and {column, f"{column}_day"} & set(kind.names) for kind in kinds)


def published_key(spark: SparkSession, table: str, condition: str) -> str | None:
    """Return the key of the branch whose rows are all rows of a partition of a table.

    Parameters
    ----------
    spark
        The session.
    table
        A table of Iceberg.
    condition
        The partition as an SQL condition, such as "run_date = DATE'2026-11-24'".

    Returns
    -------
    str or None
        None if the partition has no rows, if others have written to it since, or if the snapshot has expired.
    """
    spark.sql(f"REFRESH TABLE {table}")  # Iceberg remembers a table's state for a while
    try:
        partitions = spark.table(f"{table}.partitions").where(f"partition.{condition}")
        found = partitions.select("last_updated_snapshot_id", "record_count").collect()
    except AnalysisException:  # the table has no such partitions
        return None
    snapshots = {snapshot for snapshot, _ in found}
    if len(snapshots) != 1:
        return None
    of_last = F.col("snapshot_id") == snapshots.pop()
    summaries = spark.table(f"{table}.snapshots").where(of_last).select("summary").collect()
    summary = summaries[0][0] if summaries else {}
    is_whole = summary.get("added-records") == str(sum(rows for _, rows in found))
    return summary.get(_KEY_ENTRY) if is_whole else None
