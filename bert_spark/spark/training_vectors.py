"""Decide whether a training reads the vectors of its input, or runs BERT. Refuses vectors of another encoder."""

from __future__ import annotations

import dataclasses
import logging

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.errors import DataError, FingerprintError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.schema import Table
from bert_spark.tables.stored_vectors import vector_columns, vectors_found
from bert_spark.training.config import TrainConfig

logger = logging.getLogger(__name__)

_DEFAULT_NAME = "embedding"
_ONLY_SPEED = ("engine", "token_budget", "window_rows", "device")  # settings that change no vector


def column_to_learn_from(table: Table, source: InputConfig, train: TrainConfig, encoder: EncoderConfig) -> str | None:
    """Return the column of vectors that a training reads; None if it runs BERT, or needs no vectors.

    Parameters
    ----------
    table, source
        The input and its settings.
    train
        The settings of the training. `embeddings` asks for vectors; `embedding_column` names them.
    encoder
        The encoder that the settings describe.

    Raises
    ------
    DataError
        If several columns hold vectors, and no setting chooses one.
    FingerprintError
        If the settings describe another encoder than the vectors' own, and do not ask for vectors.
    """
    if train.embedding_column is not None:
        return train.embedding_column or None
    must_hold_vectors = train.embeddings is not None
    if train.features == "tfidf" and not must_hold_vectors:
        return None
    stored = vector_columns(table.schema)
    if len(stored) > 1:
        names = [field.name for field in stored]
        raise DataError(f"{source.path!r} holds vectors in the columns {names}; set --embedding-column to one of them")
    if not stored:
        return _DEFAULT_NAME if must_hold_vectors else None
    if not must_hold_vectors:
        _check_encoder(source, stored[0].metadata[FINGERPRINT_KEY], encoder)
    logger.info("%s", vectors_found(source, stored[0]))
    return stored[0].name


def _check_encoder(source: InputConfig, stored: str, encoder: EncoderConfig) -> None:
    """Refuse settings of another encoder. Settings that are all at their default describe none."""
    default = EncoderConfig()
    speed = {name: getattr(default, name) for name in _ONLY_SPEED}
    if dataclasses.replace(encoder, **speed) == default:
        return
    asked = config_fingerprint(encoder)
    if asked != stored:
        raise FingerprintError(
            f"{source.path!r} holds vectors of encoder {stored[:12]}, the settings describe encoder {asked[:12]}; "
            "leave out the encoder's options to use these vectors, or set --embedding-column '' to run BERT"
        )
