"""The settings of training: rows and splits, the classifier, and the grid of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bert_spark.encoding.pooling import check_pooling
from bert_spark.errors import ConfigError
from bert_spark.settings import at_least, check_fields, option

FEATURES = ("bert", "tfidf", "bert+tfidf")
CALIBRATIONS = ("off", "sigmoid", "isotonic")


@dataclass(frozen=True)
class TrainConfig:
    """The rows that jobs/train.py learns from, how they are split, and what the artefact holds."""

    artefact: str | None = option(None, "folder for the artefact, or for the result of a search", flag="--output")
    overwrite: bool = option(False, "replace an existing artefact")
    label_column: str = option("label", "column of labels")
    trim_labels: bool = option(False, "remove blanks around labels; a blank label counts as missing")
    embeddings: str | None = option(
        None, "an input that must hold vectors; an output of jobs/embed.py may be the --input as well"
    )
    embedding_column: str | None = option(
        None,
        "column of vectors in the input, read instead of running BERT; by default that of an output of jobs/embed.py; "
        "'' runs BERT in any case",
    )
    features: str = option("bert", "features of the classifier: bert, tfidf or bert+tfidf", choices=FEATURES)
    max_rows: int | None = option(
        None,
        "train on exactly so many of the rows with a text and a label, if there are more; chosen by a hash of the text",
    )
    seed: int = option(0, "seed of the split by text hash")
    tfidf_weight: float | None = option(
        None, "factor applied to the TF-IDF features, to match the scale of BERT's; by default 1, in a search 3"
    )
    baseline: bool = option(True, "also train the same classifier on TF-IDF alone, for comparison")
    examples: bool = option(False, "show texts of confused pairs in the report; by default it holds no texts")
    bundle: bool = option(False, "copy weights and tokenizer into the artefact, for machines without the model")
    mlflow: bool = option(False, "log parameters, metrics, the report and the artefact as a model to MLflow")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_rows is not None:
            at_least(self, max_rows=1)
        if self.embeddings is not None and self.embedding_column == "":
            raise ConfigError("got --embeddings with --embedding-column '', which runs BERT; leave one of them out")

    @property
    def tfidf_factor(self) -> float:
        """The factor applied to the TF-IDF features of a training."""
        return 1.0 if self.tfidf_weight is None else self.tfidf_weight


@dataclass(frozen=True)
class HeadConfig:
    """The classifier: the dotted name of a scikit-learn class, and its keyword arguments."""

    class_name: str = option(
        "sklearn.svm.LinearSVC", "dotted name of a scikit-learn classifier", flag="--head", key="class"
    )
    options: dict[str, Any] = field(
        default_factory=lambda: {"C": 1.0, "class_weight": "balanced"},
        metadata={"help": "keyword arguments of the classifier; in TOML only", "flag": None, "choices": None},
    )
    scale: bool = option(False, "standardise BERT's numbers to mean 0 and variance 1 over the training rows")
    calibrate: str = option(
        "off", "cross-validated calibration to probabilities: off, sigmoid or isotonic", choices=CALIBRATIONS
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.class_name.startswith("sklearn."):
            raise ConfigError(
                f"head {self.class_name!r} is not scikit-learn's; an artefact holds scikit-learn's own classes only"
            )


@dataclass(frozen=True)
class SearchConfig:
    """The grid that jobs/search.py tries. Lists are written with commas."""

    poolings: str = option(
        "cls,mean,cls+mean,model",
        "poolings to try, with commas, model for the model's own recipe; BERT runs once for all of them",
    )
    penalties: str = option("0.003,0.01,0.1", "values of C to try, with commas", flag="--c")
    class_weights: str = option("none,sqrt,balanced", "class weights to try, with commas")
    folds: int = option(3, "folds of the cross-validation on the training split")
    tfidf_weight: float | None = option(
        None,
        "factor applied to the TF-IDF features in a search; by default that of --tfidf-weight, or else 3",
        flag="--search-tfidf-weight",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        at_least(self, folds=2)
        unknown = sorted(set(self.class_weight_list) - {"none", "sqrt", "balanced"})
        if unknown:
            raise ConfigError(f"class_weights {unknown} are unknown; known are none, sqrt, balanced")
        if min(self.C_list) <= 0:
            raise ConfigError(f"penalties={self.penalties!r}: expected numbers above 0")
        for pooling in self.pooling_list:
            check_pooling(pooling)
        if "flatten" in self.pooling_list and len(self.pooling_list) > 1:
            raise ConfigError(
                f"got poolings {self.poolings!r}; flatten cannot be searched together with others: pass --poolings "
                "flatten alone"
            )

    def tfidf_factor(self, train: TrainConfig) -> float:
        """Return the factor applied to the TF-IDF features of a search whose settings of training are `train`."""
        stated = [weight for weight in (self.tfidf_weight, train.tfidf_weight) if weight is not None]
        return stated[0] if stated else 3.0

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
