"""Identify an encoder by a sha256 over the model's content and every setting that changes a vector."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import folder_digest
from bert_spark.encoding.model_resolver import fixed_revision, ranges_file, resolve_model
from bert_spark.encoding.vector_recipe import VectorRecipe, recipe_of


def encoder_fingerprint(digest: str, config: EncoderConfig, recipe: VectorRecipe) -> str:
    """Return the identity of an encoder: sha256 of the model's digest and of everything else that changes a vector.

    Parameters
    ----------
    digest
        Of the model's content.
    config
        The settings.
    recipe
        The recipe that `config` describes.
    """
    identity = recipe.identity() | {
        "precision": config.precision,
        "clean": config.clean,
        "long_text": config.long_text,
    }
    if config.embedding_func_id is not None:
        identity["pooling"] = config.embedding_func_id
    return hashlib.sha256(f"{digest}\n{json.dumps(identity, sort_keys=True)}".encode()).hexdigest()


def config_fingerprint(config: EncoderConfig) -> str:
    """Return the fingerprint of the encoder that `config` describes, without loading the model."""
    if config.precision == "int8":
        ranges_file(config.model, config.revision)  # else the error comes from an executor
    digest = folder_digest(resolve_model(config.model, config.revision))
    return encoder_fingerprint(digest, config, recipe_of(config))


def with_fixed_revision(config: EncoderConfig) -> EncoderConfig:
    """Return the settings with the commit that a model's name on the hub means now, for other processes to load.

    Raises
    ------
    ModelError
        If the model is not on this machine and cannot be fetched.
    """
    return dataclasses.replace(config, revision=fixed_revision(config.model, config.revision))
