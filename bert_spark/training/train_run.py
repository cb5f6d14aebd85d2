"""One training: split, fit, judge, save, and log to MLflow on request. Knows nothing of Spark."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bert_spark.artefact.saving import check_folder_free, save_artefact
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.training.evaluation import confused_pairs_of_split, evaluate_splits
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.labels import label_shares
from bert_spark.training.mlflow_tracking import check_store, log_training
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.report import model_card, render_report
from bert_spark.training.splits import SPLITS, split_examples
from bert_spark.training.stopwatch import Stopwatch
from bert_spark.training.text_reports import training_summary
from bert_spark.versions import versions

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from bert_spark.settings import JobSettings


def check_training(job: JobSettings) -> None:
    """Check what can fail before Spark starts: the output folder, the classifier's name and options, the MLflow store.

    Raises
    ------
    ArtefactError
        If the output folder holds something already.
    ConfigError
        If no output is set, or the classifier does not exist or does not take its options.
    SetupError
        If MLflow is not installed or its store cannot be reached.
    """
    check_folder_free(job.required("train.artefact", "--output"), overwrite=job.train.overwrite)
    build_pipeline(job.encoder, job.train.features, job.head)
    if job.train.mlflow:
        check_store()


def train_and_save(job: JobSettings, data: TrainingData) -> str:
    """Fit and judge a classifier, save its artefact; return what the job prints.

    Raises
    ------
    DataError
        If the features or the classifier cannot be fitted on the training rows.
    ArtefactError
        If a part of the pipeline cannot be saved as data.
    """
    folder, clock = str(job.train.artefact), Stopwatch(data.seconds)
    parts = split_examples(data.examples, job.train.seed)
    with clock("fit"):
        pipeline = _fitted(job, data.encoder, job.train.features, parts["train"])
    with clock("fit_baseline"):
        wanted = job.train.baseline and job.train.features != "tfidf"
        baseline = _fitted(job, data.encoder, "tfidf", parts["train"]) if wanted else None
    with clock("judge"):
        figures = evaluate_splits(pipeline, parts, baseline)
        pairs = {
            name: confused_pairs_of_split(pipeline, parts[name], with_texts=job.train.examples) for name in SPLITS[1:]
        }
    facts = {**data.facts, **_facts(job, data.encoder, parts, clock.seconds)}
    reported = {**facts, "pairs": pairs, "versions": versions()}
    files = {
        "report.html": render_report(figures, reported),
        "README.md": model_card(figures, reported),
        "metrics.json": json.dumps({**figures, "timings": clock.seconds}, indent=2),
    }
    save_artefact(folder, pipeline, facts, files, bundle=job.train.bundle)
    summary = training_summary(figures, facts, folder)
    if job.train.mlflow:
        summary += f"\nmlflow:   {log_training(folder, figures, facts, files)}"
    return summary


def _fitted(job: JobSettings, encoder: EncoderConfig, features: str, part: Examples) -> Pipeline:
    pipeline = build_pipeline(encoder, features, job.head, part.labels.tolist(), job.train.tfidf_weight)
    return fit_pipeline(pipeline, part)


def _facts(
    job: JobSettings, encoder: EncoderConfig, parts: Mapping[str, Examples], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return what metadata, report and model card say of how the artefact was made."""
    uses_bert = job.train.features != "tfidf"
    options = ", ".join(f"{name}={value!r}" for name, value in job.head.options.items())
    about = {
        "features": job.train.features,
        "head": f"{job.head.class_name}({options})",
        "scale": job.head.scale,
        "calibrate": job.head.calibrate,
        "tfidf_weight": job.train.tfidf_weight,
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
