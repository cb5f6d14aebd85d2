"""A fitted pipeline with its metadata. Neither reads nor writes files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark.artefact.format_versions import METADATA_FILE
from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.bert_transformer import BertTransformer
from bert_spark.estimators.pipeline_introspection import bert_transformers_in, decision_values
from bert_spark.settings import from_mapping


@dataclass(frozen=True)
class Artefact:
    """A trained classifier and its metadata.

    Attributes
    ----------
    pipeline
        The fitted scikit-learn Pipeline. ``pipeline.predict(texts)`` needs nothing else.
    metadata
        Content of metadata.json.
    path
        The folder or URL it was loaded from.
    digest
        sha256 of metadata.json, which holds the digests of all other files.
    config
        Settings of the encoder; the defaults if the pipeline has no encoder.
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
        """The classes in the order of the scores, shape (n_classes,)."""
        return np.asarray(self.pipeline[-1].classes_)

    @property
    def fingerprint(self) -> str:
        """Identity of the encoder; "" if the pipeline has none."""
        return str(self.metadata["fingerprint"] or "")

    @property
    def uses_bert(self) -> bool:
        """Whether the pipeline has an encoder. TF-IDF alone has none."""
        return self.metadata["encoder"] is not None

    @property
    def encoder(self) -> EncoderConfig | None:
        """The settings of the encoder; None if the pipeline has none."""
        return self.config if self.uses_bert else None

    @property
    def needs_text(self) -> bool:
        """Whether scoring stored vectors also needs their texts, as TF-IDF features do."""
        return not isinstance(self.pipeline[0], BertTransformer)

    @property
    def vector_width(self) -> int:
        """How many numbers the encoder's vectors hold; 0 if the pipeline has no encoder."""
        return max((int(step.n_features_out_) for step in bert_transformers_in(self.pipeline)), default=0)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the scores are probabilities, as of a calibrated classifier, and not margins."""
        return str(self.metadata["scores"]) == "probability"

    def decision(self, texts: list[str], vectors: np.ndarray | None = None) -> np.ndarray:
        """Return the score of each class: float64, shape (n_texts, n_classes).

        A score is a value of the decision function, or a probability if `gives_probabilities`.

        Parameters
        ----------
        texts
            The texts, n_texts of them.
        vectors
            Their embeddings, float32, shape (n_texts, width). If None, the pipeline's own encoder computes them.
        """
        return decision_values(self.pipeline, texts, vectors)
