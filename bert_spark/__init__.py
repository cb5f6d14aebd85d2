"""BERT embeddings as a Spark column and as a scikit-learn step, computed by one encoder."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bert_spark.artefact.artefact import Artefact
    from bert_spark.artefact.loading import load_artefact
    from bert_spark.artefact.saving import save_artefact
    from bert_spark.encoding.calibration import calibrate
    from bert_spark.encoding.config import EncoderConfig
    from bert_spark.encoding.encoder import BertEncoder
    from bert_spark.estimators.bert_transformer import BertTransformer
    from bert_spark.estimators.text_cleaner import TextCleaner
    from bert_spark.spark.pyspark_ml import BertEmbedder
    from bert_spark.spark.spark_encoder import SparkEncoder
    from bert_spark.spark.transforms import preview, with_embedding, with_score

__all__ = [
    "Artefact",
    "BertEmbedder",
    "BertEncoder",
    "BertTransformer",
    "EncoderConfig",
    "SparkEncoder",
    "TextCleaner",
    "calibrate",
    "load_artefact",
    "preview",
    "save_artefact",
    "with_embedding",
    "with_score",
]

# Things saved before version 0.2 name modules such as bert_spark.ml; that folder holds them.
__path__.append(f"{__path__[0]}/before_0_2")

# Each name is imported at its first use (PEP 562), so that `import bert_spark` loads neither torch nor pyspark.
_HOME = {
    "Artefact": "artefact.artefact",
    "BertEmbedder": "spark.pyspark_ml",
    "BertEncoder": "encoding.encoder",
    "BertTransformer": "estimators.bert_transformer",
    "EncoderConfig": "encoding.config",
    "SparkEncoder": "spark.spark_encoder",
    "TextCleaner": "estimators.text_cleaner",
    "calibrate": "encoding.calibration",
    "load_artefact": "artefact.loading",
    "preview": "spark.transforms",
    "save_artefact": "artefact.saving",
    "with_embedding": "spark.transforms",
    "with_score": "spark.transforms",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bert_spark' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bert_spark.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
