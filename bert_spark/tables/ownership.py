"""Whose vectors or labels an output holds. Another model's output is never joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import read_output

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
from bert_spark.tables.provenance import ARTEFACT_KEY, ENCODER_KEY, FINGERPRINT_KEY


def conflicting_owner(spark: SparkSession, output: OutputConfig, identity: Mapping[str, str]) -> str | None:
    """Say whose vectors or labels an output holds, where they are not of `identity`; None where they are, or unknown.

    Parameters
    ----------
    output
        A folder or table that is there.
    identity
        Key of a column's metadata -> what it must say.
    """
    try:
        fields = read_output(spark, output).schema.fields
    except AnalysisException:  # a folder without any file in it yet
        return None
    for said in [*(field.metadata for field in fields), table_properties(spark, output)]:
        for key, mine in identity.items():
            found = said.get(key)
            if found is not None and found != mine:
                what = "labels of artefact" if key == ARTEFACT_KEY else "vectors of encoder"
                settings = said.get(ENCODER_KEY, "")
                theirs = f"{found[:12]} ({settings})" if settings else found[:12]
                return f"output {output.path!r} holds {what} {theirs}, this run makes {mine[:12]}"
    return None


def table_properties(spark: SparkSession, output: OutputConfig) -> dict[str, str]:
    """Return the properties of a table; none of a folder."""
    if output.format != "table":
        return {}
    return {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {output.path}").collect()}


def mark_owner(spark: SparkSession, rows: DataFrame, output: OutputConfig) -> None:
    """Say in a table's properties whose vectors or labels it holds: Iceberg keeps no metadata of columns."""
    said = {
        key: field.metadata[key]
        for field in rows.schema.fields
        for key in (FINGERPRINT_KEY, ARTEFACT_KEY)
        if key in field.metadata
    }
    if not said.items() <= table_properties(spark, output).items():
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in said.items())
        spark.sql(f"ALTER TABLE {output.path} SET TBLPROPERTIES ({pairs})")
