"""One training run: check the settings, split, fit, evaluate, save, and log to MLflow. Knows nothing of Spark."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_spark.artefact.saving import check_folder_free, save_artefact
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.encoding.recipe_note import recipe_note
from bert_spark.errors import DataError
from bert_spark.training.evaluation import confused_pairs, evaluate_splits
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.fitting import convergence_warnings, fit_and_predict
from bert_spark.training.html_report import model_card, render_report
from bert_spark.training.labels import label_shares
from bert_spark.training.mlflow_tracking import check_store, log_training
from bert_spark.training.pipelines import build_baseline, build_pipeline
from bert_spark.training.splits import HELD_OUT_SPLITS, SPLITS, split_examples
from bert_spark.training.stopwatch import Stopwatch
from bert_spark.training.text_summaries import training_summary
from bert_spark.versions import versions

if TYPE_CHECKING:
    import numpy as np

    from bert_spark.settings import JobSettings


@dataclass(frozen=True)
class TrainingResult:
    """A saved artefact with its metrics.

    Attributes
    ----------
    folder
        Where the artefact was written.
    figures
        Metrics by split, as `evaluate_splits` returns them.
    facts
        The entries that training added to metadata.json.
    files
        Name -> content of the reports in the artefact.
    """

    folder: str
    figures: Mapping[str, Any]
    facts: Mapping[str, Any]
    files: Mapping[str, str]

    def summary(self) -> str:
        """Return what the job prints: warnings, classification reports, metrics of all splits, where the files are."""
        return training_summary(self.figures, self.facts, self.folder)

    def log_to_mlflow(self) -> str:
        """Log the run to MLflow and return the URI of the model there.

        Raises
        ------
        SetupError
            If MLflow or its store fails. The artefact stays saved.
        """
        return log_training(self.folder, self.figures, self.facts, self.files)


def check_training(job: JobSettings) -> None:
    """Check before Spark starts what can fail: the output folder, the classifier, and the MLflow store.

    Raises
    ------
    ArtefactError
        If the output folder is not empty, unless `--overwrite` replaces an artefact in it.
    ConfigError
        If no output is set, or the classifier does not exist or does not take its options.
    SetupError
        If MLflow is not installed or its store cannot be reached.
    """
    check_folder_free(job.required("train.artefact", "--output"), overwrite=job.train.overwrite)
    build_pipeline(job.encoder, job.train.features, job.head)
    if job.train.mlflow:
        check_store()


def train_and_save(job: JobSettings, data: TrainingData) -> TrainingResult:
    """Fit a classifier, evaluate it, and save its artefact.

    Raises
    ------
    DataError
        If the features or the classifier cannot be fitted on the training rows.
    ArtefactError
        If a part of the pipeline cannot be saved as data.
    """
    folder, clock = str(job.train.artefact), Stopwatch(data.seconds)
    parts = split_examples(data.examples, job.train.seed)
    with clock("fit"), convergence_warnings() as not_converged:
        labels, weight = parts["train"].labels.tolist(), job.train.tfidf_factor
        pipeline = build_pipeline(data.encoder, job.train.features, job.head, labels, weight)
        predicted = fit_and_predict(pipeline, parts)
    with clock("fit_baseline"):
        baseline_predicted, warnings = _baseline(job, data.encoder, parts)
    with clock("judge"):
        figures = evaluate_splits(parts, predicted, baseline_predicted)
        pairs = {
            name: confused_pairs(
                parts[name].labels.tolist(),
                predicted[name].tolist(),
                parts[name].texts if job.train.examples else None,
            )
            for name in HELD_OUT_SPLITS
        }
    facts = {**data.facts, **_facts(job, data.encoder, parts, clock.seconds)}
    note = recipe_note(data.encoder) if job.train.features != "tfidf" else ""
    facts["warnings"] = [*([note] if note else []), *data.facts["warnings"], *warnings, *not_converged]
    report_facts = {**facts, "pairs": pairs, "versions": versions()}
    files = {
        "report.html": render_report(figures, report_facts),
        "README.md": model_card(figures, report_facts),
        "metrics.json": json.dumps({**figures, "timings": clock.seconds}, indent=2),
    }
    save_artefact(folder, pipeline, facts, files, bundle=job.train.bundle)
    return TrainingResult(folder, figures, facts, files)


def _baseline(
    job: JobSettings, encoder: EncoderConfig, parts: Mapping[str, Examples]
) -> tuple[dict[str, np.ndarray] | None, list[str]]:
    """Return the labels of the same classifier on TF-IDF alone, if there is to be one, and why it is missing."""
    if not job.train.baseline or job.train.features == "tfidf":
        return None, []
    try:
        pipeline = build_baseline(encoder, job.head, parts["train"].labels.tolist(), job.train.tfidf_factor)
        return fit_and_predict(pipeline, parts), []
    except DataError as err:
        return None, [f"there is no TF-IDF baseline: {err}"]


def _facts(
    job: JobSettings, encoder: EncoderConfig, parts: Mapping[str, Examples], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return what metadata.json, report and model card say about how the artefact was made."""
    uses_bert = job.train.features != "tfidf"
    options = ", ".join(f"{name}={value!r}" for name, value in job.head.options.items())
    about = {
        "features": job.train.features,
        "head": f"{job.head.class_name}({options})",
        "scale": job.head.scale,
        "calibrate": job.head.calibrate,
        "tfidf_weight": job.train.tfidf_factor,
        "fingerprint": config_fingerprint(encoder) if uses_bert else "none",
    }
    rows = {name: len(parts[name].texts) for name in SPLITS}
    return {
        "about": about,
        "split": {"seed": job.train.seed, "by": "sha256 of the folded text", **rows},
        "label_shares": label_shares(parts["train"].labels.tolist()),
        "timings": seconds,
        "encoder": encoder.settings() | {"device": "auto"} if uses_bert else None,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
