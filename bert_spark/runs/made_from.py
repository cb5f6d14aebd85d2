"""Remember with an output what its computed columns were made from, besides the model: the text column, a threshold.

A run that keeps the output in step with its input computes all rows anew if that has changed. The metadata of the error
column says it, or a property of the table.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.runs.run_record import without_redacted_words
from bert_spark.runs.task import Task
from bert_spark.tables.outputs import set_table_properties, table_properties
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY, TEXT_KEY
from bert_spark.tables.recorded_models import latest_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.tables.config import OutputConfig

MADE_FROM_KEY = "bert_spark.made_from"


def made_from(task: Task) -> str:
    """Return what the computed columns of a task's rows are made from, as JSON."""
    return _as_json({"text_column": task.source.text_column, **task.facts})


def with_made_from(schema: T.StructType, error_column: str, value: str) -> T.StructType:
    """Return a schema whose error column says what the computed columns were made from."""
    fields = [
        T.StructField(field.name, field.dataType, field.nullable, {**field.metadata, MADE_FROM_KEY: value})
        if field.name == error_column
        else field
        for field in schema.fields
    ]
    return T.StructType(fields)


def stored_made_from(stored: DataFrame, task: Task, work: str | None) -> str | None:
    """Return what the computed columns of an output were made from; None if nothing says it.

    Parameters
    ----------
    stored, task
        The rows of the output, and the task that computes its columns.
    work
        The `--work` of the output's runs.
    """
    output, spark, fields = task.output, stored.sparkSession, stored.schema.fields
    stated = [field.metadata for field in fields if MADE_FROM_KEY in field.metadata]
    for metadata in (*stated, table_properties(spark, output)):
        if MADE_FROM_KEY in metadata:
            return str(metadata[MADE_FROM_KEY])
    record = latest_record(spark, str(output.path), output.format, task.job, work)
    if "text_column" in record:  # an output of a plain run
        return _as_json(record)
    texts = {field.metadata[TEXT_KEY] for field in fields if TEXT_KEY in field.metadata}
    return _as_json({"text_column": texts.pop()}) if len(texts) == 1 else None


def mark_table(spark: SparkSession, output: OutputConfig, schema: T.StructType) -> None:
    """Store in a table's properties what the metadata of its columns says: Iceberg keeps none of it."""
    keys = (MADE_FROM_KEY, FINGERPRINT_KEY, ARTEFACT_KEY)
    stated = {key: field.metadata[key] for field in schema.fields for key in keys if key in field.metadata}
    if not stated.items() <= table_properties(spark, output).items():
        set_table_properties(spark, str(output.path), stated)


def _as_json(facts: Mapping[str, Any]) -> str:
    threshold = (facts.get("score") or {}).get("min_probability")
    made = {"text_column": facts["text_column"], **({} if threshold is None else {"min_probability": threshold})}
    return without_redacted_words(json.dumps(made, sort_keys=True))
