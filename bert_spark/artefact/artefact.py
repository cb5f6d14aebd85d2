"""The `Artefact`: a fitted pipeline with its metadata. Knows nothing of storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark.artefact.format_versions import METADATA_FILE
from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.pipeline_introspection import (
    decision_values,
)
from bert_spark.settings import from_mapping


@dataclass(frozen=True)
class Artefact:
    """A trained classifier and what it was trained with.

    Attributes
    ----------
    pipeline
        The fitted scikit-learn Pipeline; ``pipeline.predict(texts)`` works as it is.
    metadata
        Content of metadata.json.
    path, digest
        Where it lies, and the sha256 of its metadata, which holds the digests of its other files.
    """

    pipeline: Pipeline
    metadata: Mapping[str, Any]
    path: str
    digest: str
    config: EncoderConfig = field(init=False)

    def __post_init__(self) -> None:
        config = from_mapping(EncoderConfig, self.metadata["encoder"] or {}, METADATA_FILE)
        object.__setattr__(self, "config", config)

    @property
    def labels(self) -> np.ndarray:
        """The classes, in the order of the scores: shape (n_classes,)."""
        return np.asarray(self.pipeline[-1].classes_)

    @property
    def fingerprint(self) -> str:
        """Identity of the encoder this was trained on; "" without one."""
        return str(self.metadata["fingerprint"] or "")

    @property
    def uses_bert(self) -> bool:
        """Whether there is an encoder in it; TF-IDF alone has none."""
        return self.metadata["encoder"] is not None

    @property
    def encoder(self) -> EncoderConfig | None:
        """The settings of the encoder; None without one."""
        return self.config if self.uses_bert else None

    @property
    def needs_text(self) -> bool:
        """Whether texts are needed beside their vectors, as a TF-IDF arm does."""
        return not isinstance(self.pipeline[0], BertTransformer)

    @property
    def gives_probabilities(self) -> bool:
        """Whether its values are probabilities, as after a calibration, and not margins."""
        return str(self.metadata["scores"]) == "probability"

    def decision(self, texts: list[str], vectors: np.ndarray | None = None) -> np.ndarray:
        """Return every class's decision-function value: float64, shape (n_texts, n_classes).

        Parameters
        ----------
        texts
            n texts.
        vectors
            Their embeddings, float32, shape (n_texts, width); made here where they are not given.
        """
        return decision_values(self.pipeline, texts, vectors)
