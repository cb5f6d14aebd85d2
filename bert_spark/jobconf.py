"""The jobs' settings: where tables come from and go to, how to train and score, what Spark is told. Checked, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bert_spark.config import at_least, check_fields, option
from bert_spark.errors import ConfigError

INPUT_FORMATS = ("auto", "csv", "json", "parquet", "text", "table", "delta", "orc")
IF_EXISTS = ("error", "overwrite", "append")
FEATURES = ("bert", "tfidf", "bert+tfidf")
CALIBRATIONS = ("off", "sigmoid", "isotonic")


@dataclass(frozen=True)
class InputConfig:
    """Where the tweets are and which columns matter."""

    path: str | None = option(None, "file, folder, glob or table name", flag="--input")
    format: str = option("auto", "auto goes by the name's ending, else takes it for a table", choices=INPUT_FORMATS)
    text_column: str = option("text", "column that holds the text")
    id_column: str | None = option(None, "column that names a row; checked to be there")
    delimiter: str = option(",", "of csv")
    encoding: str = option("UTF-8", "of csv and json")
    fail_on_malformed: bool = option(False, "stop before any work where a record can't be parsed")
    partition_mb: float | None = option(None, "MB of text per task; by default from the size of the input's files")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.partition_mb is not None and self.partition_mb <= 0:
            raise ConfigError(f"partition_mb={self.partition_mb} is too small; expected more than 0")


@dataclass(frozen=True)
class OutputConfig:
    """Where the result goes and what is in it."""

    path: str | None = option(None, "folder or table name", flag="--output")
    format: str = option("parquet", "parquet, table, or any format on Spark's classpath", flag="--output-format")
    if_exists: str = option("error", "what to do when there is something already", choices=IF_EXISTS)
    diagnostics: bool = option(False, "add token_count, truncated and unknown_share")
    error_column: str = option("error", "name of the column of reasons")
    target_file_mb: float | None = option(None, "size of the files, in MB; by default a task writes one")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.target_file_mb is not None and self.target_file_mb <= 0:
            raise ConfigError(f"target_file_mb={self.target_file_mb} is too small; expected more than 0")


@dataclass(frozen=True)
class EmbedConfig:
    """What jobs/embed.py adds."""

    embedding_column: str = option("embedding", "name of the column of vectors")
    reuse: str | None = option(None, "earlier output of the same encoder: its texts' vectors are taken, not made again")

    def __post_init__(self) -> None:
        check_fields(self)


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


@dataclass(frozen=True)
class ScoreConfig:
    """What jobs/score.py uses and adds."""

    artefact: str | None = option(None, "folder that jobs/train.py wrote")
    embedding_column: str | None = option(None, "column of vectors that is there already; BERT does not run")
    scores: bool = option(False, "add every class's value")
    keep_embedding: bool = option(False, "keep the vector")
    min_probability: float | None = option(None, "below it the label is null; for a calibrated artefact")

    def __post_init__(self) -> None:
        check_fields(self)
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise ConfigError(f"min_probability={self.min_probability} is no probability; expected 0 to 1")
