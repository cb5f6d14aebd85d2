"""The columns of the DataFrame functions' results: those of the input, and the fields of the UDF's struct."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.encoding.error_reasons import MALFORMED_ROW
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY
from bert_spark.tables.references import find_columns, struct_with
from bert_spark.tables.schema import MALFORMED_COLUMN, exact_column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from bert_spark.artefact.artefact_group import ArtefactGroup


RESULT = "_bert_spark"  # column of the UDF's struct: its fields are selected into columns, and it is dropped


def input_columns(df: DataFrame, text_column: str, leave_out: Collection[str] = ()) -> list[Column]:
    """Return the input's columns. A malformed record gets its raw text as its text."""
    columns = {name: exact_column(name) for name in df.columns if name not in (MALFORMED_COLUMN, *leave_out)}
    texts = find_columns(df.schema, text_column)
    if texts and MALFORMED_COLUMN in df.columns and texts[0][0] in columns:
        name, *fields = texts[0]
        raw = struct_with(df.schema[name].dataType, tuple(fields), F.col(MALFORMED_COLUMN))
        columns[name] = F.when(F.col(MALFORMED_COLUMN).isNotNull(), raw).otherwise(columns[name]).alias(name)
    return list(columns.values())


def _result_field(name: str) -> Column:
    """Return a field of the UDF's struct."""
    return F.col(f"{RESULT}.{name}")


def result_vector(name: str, metadata: dict[str, str]) -> Column:
    """Return the column of vectors; its metadata names the encoder."""
    return _result_field("embedding").alias(name, metadata=metadata)


def named_column(column: str, name: str) -> str:
    """Return the column of the artefact with this name: "label_emotion"; "label" for one artefact alone."""
    return f"{column}_{name}" if name else column


def result_labels(
    group: ArtefactGroup, n: int, names: Mapping[str, str], min_probability: float | None
) -> list[Column]:
    """Return the columns of the n-th artefact's winning class: "label" and "margin", and "scores" if it has a name."""
    classes = F.array(*[F.lit(_python_value(label)) for label in group.artefacts[n].labels])
    winner, margin = _result_field(f"winner_{n}"), _result_field(f"margin_{n}")  # the winner is the index of its class
    label = F.get(classes, winner)
    if min_probability is not None:
        label = F.when(margin >= min_probability, label)
    made_by = {ARTEFACT_KEY: group.digest, FINGERPRINT_KEY: group.fingerprint}
    columns = [label.alias(names["label"], metadata=made_by), margin.alias(names["margin"])]
    if "scores" in names:
        values = F.map_from_arrays(classes, _result_field(f"scores_{n}"))
        columns.append(F.when(winner.isNotNull(), values).alias(names["scores"]))
    return columns


def result_error(df: DataFrame, name: str) -> Column:
    """Return the error column: "malformed row", else the reason in the input's column of that name, else the UDF's."""
    reasons = [_result_field("error")]
    if name in df.columns:
        reasons.insert(0, exact_column(name))
    if MALFORMED_COLUMN in df.columns:
        reasons.insert(0, F.when(F.col(MALFORMED_COLUMN).isNotNull(), F.lit(MALFORMED_ROW)))
    return F.coalesce(*reasons).alias(name)


def result_diagnostics(names: Mapping[str, str]) -> list[Column]:
    """Return the fields of the diagnostics under the names of their columns."""
    return [_result_field(diagnostic).alias(name) for diagnostic, name in names.items()]


def _python_value(label: Any) -> Any:
    """Return a numpy scalar as a Python value, which Spark accepts."""
    return label.item() if hasattr(label, "item") else label
