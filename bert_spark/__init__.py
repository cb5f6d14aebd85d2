"""BERT embeddings as a Spark column and as a scikit-learn step: one encoder, two faces."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bert_spark.artefact import Artefact, load_artefact, save_artefact
    from bert_spark.config import EncoderConfig
    from bert_spark.encoder import BertEncoder
    from bert_spark.frames import preview, with_embedding, with_score
    from bert_spark.ml import BertEmbedder
    from bert_spark.spark_encoder import SparkEncoder
    from bert_spark.transformer import BertTransformer, TextCleaner

__all__ = [
    "Artefact",
    "BertEmbedder",
    "BertEncoder",
    "BertTransformer",
    "EncoderConfig",
    "SparkEncoder",
    "TextCleaner",
    "load_artefact",
    "preview",
    "save_artefact",
    "with_embedding",
    "with_score",
]

# Loaded at first use (PEP 562): importing the package pulls neither torch nor pyspark.
_HOME = {
    "Artefact": "artefact",
    "BertEmbedder": "ml",
    "BertEncoder": "encoder",
    "BertTransformer": "transformer",
    "EncoderConfig": "config",
    "SparkEncoder": "spark_encoder",
    "TextCleaner": "transformer",
    "load_artefact": "artefact",
    "save_artefact": "artefact",
    "preview": "frames",
    "with_embedding": "frames",
    "with_score": "frames",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bert_spark' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bert_spark.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
