"""Which model an output's vectors or labels belong to. Finds a conflict; the caller refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import read_output, table_properties
from bert_spark.tables.provenance import ARTEFACT_KEY, ENCODER_KEY, FINGERPRINT_KEY
from bert_spark.tables.recorded_models import latest_record

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def conflicting_owner(spark: SparkSession, output: OutputConfig, identity: Mapping[str, str]) -> str | None:
    """Return a message that names the other model whose vectors or labels an output holds.

    None if they are this model's, or if the output does not name a model.

    Parameters
    ----------
    spark
        The session.
    output
        An existing folder or table.
    identity
        Key of column metadata -> the value that it must have.
    """
    try:
        fields = read_output(spark, output).schema.fields
    except AnalysisException:  # a folder without any file in it yet
        return None
    known: list[Mapping[str, str]] = [*(field.metadata for field in fields), table_properties(spark, output)]
    if not any(FINGERPRINT_KEY in metadata for metadata in known):  # a format without metadata of columns
        known.append(_recorded_owner(spark, output))
    for metadata in known:
        for key, expected in identity.items():
            stored = metadata.get(key)
            if stored is not None and stored != expected:
                what = "labels of artefact" if key == ARTEFACT_KEY else "vectors of encoder"
                settings = metadata.get(ENCODER_KEY, "")
                owner = f"{stored[:12]} ({settings})" if settings else stored[:12]
                return f"output {output.path!r} holds {what} {owner}, this run makes {expected[:12]}"
    return None


def _recorded_owner(spark: SparkSession, output: OutputConfig) -> dict[str, str]:
    record = latest_record(spark, str(output.path), output.format)
    owner = {FINGERPRINT_KEY: record.get("fingerprint"), ARTEFACT_KEY: record.get("artefact_digest")}
    return {key: value for key, value in owner.items() if value}


def mark_owner(spark: SparkSession, rows: DataFrame, output: OutputConfig) -> None:
    """Store in a table's properties which model made its vectors or labels: Iceberg keeps no metadata of columns."""
    owner = {
        key: field.metadata[key]
        for field in rows.schema.fields
        for key in (FINGERPRINT_KEY, ARTEFACT_KEY)
        if key in field.metadata
    }
    if not owner.items() <= table_properties(spark, output).items():
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in owner.items())
        spark.sql(f"ALTER TABLE {output.path} SET TBLPROPERTIES ({pairs})")
