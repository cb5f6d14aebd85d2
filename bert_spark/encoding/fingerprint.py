"""Identify an encoder by a sha256 over the model's content and every setting that changes a vector."""

from __future__ import annotations

import hashlib
import json

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import folder_digest
from bert_spark.encoding.model_resolver import resolve_model


def encoder_fingerprint(digest: str, config: EncoderConfig) -> str:
    """Return the identity of an encoder: sha256 of the model's digest and of every setting that changes a vector."""
    return hashlib.sha256(f"{digest}\n{json.dumps(config.identity(), sort_keys=True)}".encode()).hexdigest()


def config_fingerprint(config: EncoderConfig) -> str:
    """Return the fingerprint of the encoder that `config` describes, without loading the model."""
    return encoder_fingerprint(folder_digest(resolve_model(config.model, config.revision)), config)
