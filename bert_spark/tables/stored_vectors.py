"""Find the vectors that an input already holds, and give their column the name of its encoder if it has lost it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.outputs import table_properties
from bert_spark.tables.provenance import ARTEFACT_KEY, ENCODER_KEY, FINGERPRINT_KEY, TEXT_KEY
from bert_spark.tables.recorded_models import latest_record
from bert_spark.tables.references import path_column
from bert_spark.tables.session_settings import session_settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_BATCH_ROWS = "spark.sql.parquet.columnarReaderBatchSize"
_WITHOUT_LISTS = ("csv", "text")


def may_hold_vectors(kind: str) -> bool:
    """Tell whether files of a format can hold vectors."""
    return kind not in _WITHOUT_LISTS


def vector_columns(schema: T.StructType) -> list[T.StructField]:
    """Return the columns whose metadata names the encoder of their vectors."""
    return [field for field in schema.fields if _is_list(field) and FINGERPRINT_KEY in field.metadata]


def small_batches(spark: SparkSession) -> AbstractContextManager[None]:
    """Let Spark read Parquet 256 rows at once within the block: by default 4,096 vectors, too many for a core's cache.

    What the session's user has set stays.
    """
    return session_settings(spark, {} if spark.conf.get(_BATCH_ROWS, None) else {_BATCH_ROWS: "256"})


def vectors_found(config: InputConfig, field: T.StructField) -> str:
    """Return the line that says that an input's vectors are used."""
    model = json.loads(field.metadata.get(ENCODER_KEY, "{}")).get("model", "")
    encoder = " ".join(filter(None, [model, field.metadata[FINGERPRINT_KEY][:12]]))
    return f"{config.path!r} holds vectors of encoder {encoder} in column {field.name!r}: BERT does not run"


def name_encoders(df: DataFrame, config: InputConfig, kind: str) -> DataFrame:
    """Return an input whose column of vectors names its encoder, also if its format keeps no metadata of columns.

    Then the record of jobs/embed.py beside the input says which column holds the vectors of which encoder.

    Parameters
    ----------
    df, config, kind
        The records of the input, its settings and its format.
    """
    lists = {field.name for field in df.schema.fields if _is_list(field)}
    if not may_hold_vectors(kind) or not lists or vector_columns(df.schema):
        return df
    metadata = _recorded_metadata(df, config, kind)
    name = metadata.pop("column", None) or (next(iter(lists)) if len(lists) == 1 else None)
    if name not in lists or FINGERPRINT_KEY not in metadata:
        return df
    named = path_column((name,)).cast(T.ArrayType(T.FloatType())).alias(name, metadata=metadata)
    return df.select(*[named if column == name else path_column((column,)) for column in df.columns])


def _is_list(field: T.StructField) -> bool:
    kind = field.dataType
    return isinstance(kind, T.ArrayType) and isinstance(kind.elementType, (T.FloatType, T.DoubleType))  # json: doubles


def _recorded_metadata(df: DataFrame, config: InputConfig, kind: str) -> dict[str, Any]:
    """Return the metadata of an output's column of vectors, and its name as "column" if the record says it."""
    record = latest_record(df.sparkSession, str(config.path), kind, "embed")
    if record:
        return {
            "column": record["embed"]["embedding_column"],
            FINGERPRINT_KEY: record["fingerprint"],
            ENCODER_KEY: json.dumps(record["encoder"], sort_keys=True),
            **({TEXT_KEY: record["text_column"]} if "text_column" in record else {}),
        }
    if kind != "table":
        return {}
    # a run with --work leaves its record there, and the fingerprint in the table
    properties = table_properties(df.sparkSession, OutputConfig(str(config.path), "table"))
    owner = properties.get(FINGERPRINT_KEY)
    return {FINGERPRINT_KEY: owner} if owner and ARTEFACT_KEY not in properties else {}
