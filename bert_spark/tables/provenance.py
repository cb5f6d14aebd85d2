"""Which encoder or artefact made a column, and whether a table belongs to another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import types as T

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import DataError, FingerprintError
from bert_spark.settings import from_mapping
from bert_spark.tables.schema import Table

# Metadata of an embedding column; Parquet, Delta and tables keep it, so that vectors say themselves who made them.
FINGERPRINT_KEY = "bert_spark.fingerprint"
ENCODER_KEY = "bert_spark.encoder"
ARTEFACT_KEY = "bert_spark.artefact"  # of a column of labels: the digest of the artefact that gave them


def vector_metadata(config: EncoderConfig) -> dict[str, str]:
    """Return the metadata of a column of vectors: its encoder's fingerprint and settings."""
    return {FINGERPRINT_KEY: config_fingerprint(config), ENCODER_KEY: json.dumps(config.settings(), sort_keys=True)}


def encoder_from_metadata(metadata: Mapping[str, Any], where: str) -> tuple[EncoderConfig, str]:
    """Return the settings and fingerprint that a column of vectors carries.

    Raises
    ------
    DataError
        When it carries none: the vectors are not an output of this package.
    """
    if ENCODER_KEY not in metadata:
        raise DataError(f"{where} does not say which encoder made its vectors; expected an output of jobs/embed.py")
    return from_mapping(EncoderConfig, json.loads(metadata[ENCODER_KEY]), where), str(metadata[FINGERPRINT_KEY])


def check_vectors(df: Table, name: str, fingerprint: str) -> None:
    """Raise when column `name` holds no vectors, or vectors of another encoder than `fingerprint`."""
    if name not in df.columns:
        raise DataError(f"column {name!r} not found; the table has {df.columns}; set --embedding-column")
    field = df.schema[name]
    if field.dataType != T.ArrayType(T.FloatType()):
        raise DataError(f"column {name!r} is {field.dataType.simpleString()}; expected array<float>")
    found = field.metadata.get(FINGERPRINT_KEY)
    if found is not None and found != fingerprint:
        raise FingerprintError(
            f"column {name!r} holds vectors of encoder {found[:12]}, the artefact was trained on {fingerprint[:12]}; "
            "embed the texts again with the artefact's encoder, or train on these vectors"
        )
