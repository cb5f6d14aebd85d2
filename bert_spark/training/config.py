"""The settings of training: data and splits, the classifier, the grid of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option

FEATURES = ("bert", "tfidf", "bert+tfidf")
CALIBRATIONS = ("off", "sigmoid", "isotonic")


@dataclass(frozen=True)
class TrainConfig:
    """What jobs/train.py learns from and how the rows are split."""

    artefact: str | None = option(None, "folder for the trained artefact", flag="--output")
    overwrite: bool = option(False, "replace an artefact that is there")
    label_column: str = option("label", "column that holds the label")
    embeddings: str | None = option(None, "output of jobs/embed.py to train from; BERT does not run")
    embedding_column: str = option("embedding", "its column of vectors")
    features: str = option("bert", "what the classifier sees", choices=FEATURES)
    max_rows: int | None = option(None, "train on this many rows at most, taken by the hash of their text")
    seed: int = option(0, "of the split by text hash")
    tfidf_weight: float = option(1.0, "factor on the TF-IDF numbers, to match BERT's")
    baseline: bool = option(True, "fit the same head on TF-IDF alone too, for comparison")
    examples: bool = option(False, "show texts of confused pairs in the report; texts are private by default")
    bundle: bool = option(False, "copy weights and tokenizer into the artefact, for machines without them")
    mlflow: bool = option(False, "log parameters, figures, report and the artefact, as a model, to MLflow")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_rows is not None:
            at_least(self, max_rows=1)


@dataclass(frozen=True)
class HeadConfig:
    """The classifier: a scikit-learn class by its dotted name, and its keywords."""

    class_name: str = option(
        "sklearn.svm.LinearSVC", "dotted name of a scikit-learn classifier", flag="--head", key="class"
    )
    options: dict[str, Any] = field(
        default_factory=lambda: {"C": 1.0, "class_weight": "balanced"},
        metadata={"help": "its keywords; in TOML only", "flag": None, "choices": None},
    )
    scale: bool = option(False, "give BERT's numbers mean 0 and variance 1 over the training rows")
    calibrate: str = option("off", "probabilities in place of margins, by cross-validation", choices=CALIBRATIONS)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.class_name.startswith("sklearn."):
            raise ConfigError(
                f"head {self.class_name!r} is not scikit-learn's; an artefact holds scikit-learn's own classes only"
            )


@dataclass(frozen=True)
class SearchConfig:
    """What jobs/search.py tries; lists are written with commas."""

    poolings: str = option("cls,mean,cls+mean", "poolings to try; BERT runs once for all")
    penalties: str = option("0.003,0.01,0.1", "values of C to try", flag="--c")
    class_weights: str = option("none,sqrt,balanced", "class weights to try")
    folds: int = option(3, "of the cross-validation on the training split")
    tfidf_weight: float = option(3.0, "factor on the TF-IDF numbers beside BERT's", flag="--search-tfidf-weight")

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, folds=2)
        odd = sorted(set(self.class_weight_list) - {"none", "sqrt", "balanced"})
        if odd:
            raise ConfigError(f"class_weights {odd} are unknown; known are none, sqrt, balanced")
        if min(self.C_list) <= 0:
            raise ConfigError(f"penalties={self.penalties!r}: expected numbers above 0")

    @property
    def pooling_list(self) -> list[str]:
        """The poolings to try."""
        return [name.strip() for name in self.poolings.split(",")]

    @property
    def C_list(self) -> list[float]:
        """The values of C to try."""
        try:
            return [float(number) for number in self.penalties.split(",")]
        except ValueError:
            raise ConfigError(f"penalties={self.penalties!r}: expected numbers with commas, e.g. 0.01,0.1") from None

    @property
    def class_weight_list(self) -> list[str]:
        """The class weights to try."""
        return [name.strip() for name in self.class_weights.split(",")]
