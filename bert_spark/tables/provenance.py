"""Which encoder or artefact made a column. Refuses vectors of another encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import DataError, FingerprintError
from bert_spark.settings import from_mapping
from bert_spark.tables.schema import Table, table_columns

# Metadata keys of an embedding column. Parquet, Delta and tables store them, so that vectors name their own encoder.
FINGERPRINT_KEY = "bert_spark.fingerprint"
ENCODER_KEY = "bert_spark.encoder"
TEXT_KEY = "bert_spark.text_column"  # of an embedding column: the column whose texts were embedded
ARTEFACT_KEY = "bert_spark.artefact"  # of a label column: the digest of the artefact that predicted the labels


def vector_metadata(config: EncoderConfig, text_column: str | None = None) -> dict[str, str]:
    """Return the metadata of an embedding column: its encoder's fingerprint and settings, and the column of texts."""
    encoder = {FINGERPRINT_KEY: config_fingerprint(config), ENCODER_KEY: json.dumps(config.settings(), sort_keys=True)}
    return encoder | ({TEXT_KEY: text_column} if text_column else {})


def encoder_from_metadata(metadata: Mapping[str, Any], where: str) -> tuple[EncoderConfig, str]:
    """Return the encoder settings and the fingerprint in an embedding column's metadata.

    Parameters
    ----------
    metadata
        Of the column.
    where
        What the table is called in error messages.

    Raises
    ------
    DataError
        If it has none: the vectors are not an output of this package.
    """
    if ENCODER_KEY not in metadata:
        raise DataError(f"{where} does not say which encoder made its vectors; expected an output of jobs/embed.py")
    return from_mapping(EncoderConfig, json.loads(metadata[ENCODER_KEY]), where), str(metadata[FINGERPRINT_KEY])


def check_vectors(df: Table, name: str, fingerprint: str) -> None:
    """Check that a column holds vectors, and that another encoder did not make them.

    Parameters
    ----------
    df
        The table.
    name
        The column.
    fingerprint
        Of the encoder whose vectors are expected. A column that does not name its encoder is accepted.

    Raises
    ------
    DataError
        If the column does not exist, or is not array<float>.
    FingerprintError
        If another encoder made its vectors.
    """
    if name not in df.columns:
        raise DataError(f"column {name!r} not found; the table has {table_columns(df)}; set --embedding-column")
    field = df.schema[name]
    if field.dataType.simpleString() != "array<float>":  # whether its values may be null does not matter
        raise DataError(f"column {name!r} is {field.dataType.simpleString()}; expected array<float>")
    stored = field.metadata.get(FINGERPRINT_KEY)
    if stored is not None and stored != fingerprint:
        raise FingerprintError(
            f"column {name!r} holds vectors of encoder {stored[:12]}, the artefact was trained on {fingerprint[:12]}; "
            "embed the texts again with the artefact's encoder, or train on these vectors"
        )


def check_encoder_known(df: Table, name: str, fingerprint: str) -> None:
    """Raise FingerprintError if a column of vectors does not say which encoder made them.

    Parameters
    ----------
    df, name, fingerprint
        As in `check_vectors`.
    """
    if name in df.columns and FINGERPRINT_KEY not in df.schema[name].metadata:
        raise FingerprintError(
            f"column {name!r} does not say which encoder made its vectors; expected those of encoder "
            f"{fingerprint[:12]}, which the artefact was trained on: if they are, pass --trust-vectors"
        )
