"""Train a classifier on BERT embeddings of labelled tweets, and judge it on tweets it has not seen.

./spark-submit.sh jobs/train.py
./spark-submit.sh jobs/train.py --input tweets.csv --text-column content --label-column sentiment --output artefact
./spark-submit.sh jobs/train.py --embeddings embeddings --text-column content --label-column sentiment --output artefact
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.artefact.saving import check_folder_free, save_artefact
from bert_spark.cli.command_line import parse_job, required_option, run_job
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import config_fingerprint
from bert_spark.settings import JobSettings
from bert_spark.spark.training_data import examples_for_job
from bert_spark.tables.config import InputConfig
from bert_spark.training.config import HeadConfig, TrainConfig
from bert_spark.training.evaluation import confused_pairs_of_split, evaluate_splits
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.labels import label_shares
from bert_spark.training.mlflow_tracking import check_store, log_training
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.report import model_card, render_report
from bert_spark.training.splits import SPLITS, split_examples
from bert_spark.training.stopwatch import Stopwatch
from bert_spark.versions import versions

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {"input": InputConfig, "encoder": EncoderConfig, "train": TrainConfig, "head": HeadConfig}


def train(argv: list[str] | None = None) -> None:
    """Parse, embed and collect, fit, save; print the reports."""
    job = parse_job(__doc__ or "", SECTIONS, LOCAL, argv)
    folder = required_option(job.train.artefact, "--output")
    check_folder_free(folder, overwrite=job.train.overwrite)
    build_pipeline(job.encoder, job.train.features, job.head)  # a wrong head shows before Spark starts
    if job.train.mlflow:
        check_store()
    clock = Stopwatch()
    with clock("embed_and_collect"):
        loaded = examples_for_job("bert_spark train", job, job.encoder)
    if loaded is None:
        return
    examples, config, facts = loaded
    parts = split_examples(examples, job.train.seed)
    with clock("fit"):
        pipeline = fit_pipeline(_pipeline(job, config, job.train.features, parts["train"].labels), parts["train"])
    with clock("fit_baseline"):
        baseline = _pipeline(job, config, "tfidf", parts["train"].labels) if _wants_baseline(job) else None
        baseline = baseline and fit_pipeline(baseline, parts["train"])
    with clock("judge"):
        figures = evaluate_splits(pipeline, parts, baseline)
        pairs = {
            name: confused_pairs_of_split(pipeline, parts[name], with_texts=job.train.examples) for name in SPLITS[1:]
        }
    facts |= about(job, config, parts, clock.seconds)
    shown = facts | {"pairs": pairs, "versions": versions()}
    files = {"report.html": render_report(figures, shown), "README.md": model_card(figures, shown)}
    files["metrics.json"] = json.dumps({**figures, "timings": clock.seconds}, indent=2)
    save_artefact(folder, pipeline, facts, files, bundle=job.train.bundle)
    print(story(figures, facts, folder))
    if job.train.mlflow:
        print(f"mlflow:   {log_training(folder, figures, facts, files)}")


def _pipeline(job: JobSettings, config: EncoderConfig, features: str, labels: Any) -> Pipeline:
    return build_pipeline(config, features, job.head, labels.tolist(), job.train.tfidf_weight)


def _wants_baseline(job: JobSettings) -> bool:
    return bool(job.train.baseline) and job.train.features != "tfidf"


def about(job: JobSettings, config: EncoderConfig, parts: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    """Return what metadata, report and model card say of how this was made."""
    uses_bert = job.train.features != "tfidf"
    options = ", ".join(f"{name}={value!r}" for name, value in job.head.options.items())
    made = {
        "features": job.train.features,
        "head": f"{job.head.class_name}({options})",
        "scale": job.head.scale,
        "calibrate": job.head.calibrate,
        "tfidf_weight": job.train.tfidf_weight,
        "fingerprint": config_fingerprint(config) if uses_bert else "none",
    }
    return {
        "about": made,
        "split": {"seed": job.train.seed, "by": "sha256 of the folded text"} | {n: len(parts[n].texts) for n in SPLITS},
        "label_shares": label_shares(parts["train"].labels.tolist()),
        "timings": seconds,
        "encoder": config.settings() | {"device": "auto"} if uses_bert else None,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def story(figures: dict[str, Any], facts: dict[str, Any], folder: str) -> str:
    """Return what the job prints: warnings, then the reports of rows that were not trained on."""
    lines = [f"warning: {warning}" for warning in facts["warnings"]]
    for name in SPLITS[1:]:
        lines += [
            f"\n{name}: {figures[name]['rows']:,} rows that share no text with the training rows",
            figures[name]["text"],
        ]
    lines.append(f"{'':12}{'accuracy':>10}{'weighted F1':>13}{'TF-IDF F1':>11}{'majority class':>16}")
    for name in SPLITS:
        mine, guess, other = figures[name], figures[f"{name}_majority"], figures.get(f"{name}_tfidf")
        tfidf = f"{other['f1_weighted']:.3f}" if other else ""
        lines.append(
            f"{name:12}{mine['accuracy']:>10.3f}{mine['f1_weighted']:>13.3f}{tfidf:>11}{guess['accuracy']:>16.3f}"
        )
    seconds = ", ".join(f"{name.replace('_', ' ')} {value} s" for name, value in facts["timings"].items())
    return "\n".join([*lines, seconds, f"artefact: {folder}", f"report:   {folder.rstrip('/')}/report.html"])


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(lambda: train(argv))


if __name__ == "__main__":
    sys.exit(main())
