"""Which model an output's vectors or labels belong to. Finds a conflict; the caller refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import output_is_empty, output_schema, set_table_properties, table_properties
from bert_spark.tables.provenance import ARTEFACT_KEY, ENCODER_KEY, FINGERPRINT_KEY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql import types as T


def conflicting_owner(
    spark: SparkSession,
    output: OutputConfig,
    identity: Mapping[str, str],
    recorded: Callable[[], Mapping[str, str]],
) -> str | None:
    """Return a message that names the other model whose vectors or labels an output holds, or says that it is unknown.

    None if they are this model's, if the output holds no row, or if it does not name a model and is trusted.

    Parameters
    ----------
    spark
        The session.
    output
        An existing folder or table.
    identity
        Key of column metadata -> the value that it must have.
    recorded
        Returns what the records of the output's runs say of the same keys: asked for if the output itself names none.
    """
    try:
        fields = output_schema(spark, output).fields
    except AnalysisException:  # a folder without any file in it yet
        return None
    stated: list[Mapping[str, str]] = [*(field.metadata for field in fields), table_properties(spark, output)]
    owners = [metadata for metadata in stated if identity.keys() & metadata.keys()] or [recorded()]
    for metadata in owners:
        for key, expected in identity.items():
            stored = metadata.get(key)
            if stored is not None and stored != expected:
                what = "labels of artefact" if key == ARTEFACT_KEY else "vectors of encoder"
                settings = metadata.get(ENCODER_KEY, "")
                owner = f"{stored[:12]} ({settings})" if settings else stored[:12]
                return f"output {output.path!r} holds {what} {owner}, this run makes {expected[:12]}"
    is_known = not identity or bool(identity.keys() & owners[0].keys())
    if is_known or output.trust_output or output_is_empty(spark, output):
        return None
    return (
        f"output {output.path!r} does not say which model made its rows: no column, table property or record of a run "
        "names it; if it is this run's, pass --trust-output"
    )


def owner_of(columns: T.StructType) -> dict[str, str]:
    """Return what the metadata of columns says of the model that made their vectors or labels."""
    keys = (FINGERPRINT_KEY, ARTEFACT_KEY)
    return {key: field.metadata[key] for field in columns.fields for key in keys if key in field.metadata}


def mark_owner(spark: SparkSession, owner: Mapping[str, str], output: OutputConfig) -> None:
    """Store in a table's properties which model made its vectors or labels: Iceberg keeps no metadata of columns."""
    if not owner.items() <= table_properties(spark, output).items():
        set_table_properties(spark, str(output.path), owner)
