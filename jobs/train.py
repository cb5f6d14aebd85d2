"""Train a classifier on BERT embeddings of labelled tweets, and judge it on tweets it has not seen.

./spark-submit.sh jobs/train.py
./spark-submit.sh jobs/train.py --input tweets.csv --text-column content --label-column sentiment --output artefact
./spark-submit.sh jobs/train.py --embeddings embeddings --text-column content --label-column sentiment --output artefact
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a plain spark-submit of this file from a checkout

from bert_spark.artefact import check_free_folder, fit_on_vectors, save_artefact
from bert_spark.cli import parse, required, run
from bert_spark.config import EncoderConfig
from bert_spark.examples import load_examples
from bert_spark.jobconf import HeadConfig, InputConfig, TrainConfig
from bert_spark.session import spark_session
from bert_spark.training import SPLITS, build_pipeline, check_splits, conflicting, judge, split

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {"input": InputConfig, "encoder": EncoderConfig, "train": TrainConfig, "head": HeadConfig}


def train(argv: list[str] | None = None) -> None:
    """Parse, embed and collect, fit, save; print the reports."""
    job = parse(__doc__ or "", SECTIONS, LOCAL, argv)
    folder = required(job.train.artefact, "--output")
    check_free_folder(folder, overwrite=job.train.overwrite)
    build_pipeline(job.encoder, job.train.features, job.head)  # a wrong head shows before BERT runs
    with spark_session("bert_spark train", job.spark) as spark:
        examples, config, counts = load_examples(spark, job.input, job.encoder, job.train)
    parts = split(examples, job.train.seed)
    warnings = check_splits(parts)
    pipeline = build_pipeline(config, job.train.features, job.head)
    fit_on_vectors(pipeline, parts["train"].texts, parts["train"].vectors, parts["train"].labels)
    figures = judge(pipeline, parts)
    facts: dict[str, Any] = {
        "split": {"seed": job.train.seed, "by": "sha256 of the folded text"} | {n: len(parts[n].texts) for n in SPLITS}
    }
    facts |= {"counts": counts | {"texts_with_conflicting_labels": conflicting(examples)}, "warnings": warnings}
    save_artefact(folder, pipeline, facts, {"metrics.json": json.dumps(figures, indent=2)})
    print(story(figures, facts, pipeline, folder))


def story(figures: dict[str, Any], facts: dict[str, Any], pipeline: Pipeline, folder: str) -> str:
    """Return what the job prints: warnings, then the reports of rows that were not trained on."""
    lines = [f"warning: {warning}" for warning in facts["warnings"]]
    for name in ("validation", "test"):
        lines += [
            f"\n{name}: {figures[name]['rows']:,} rows that share no text with the training rows",
            figures[name]["text"],
        ]
    lines.append(f"{'':12}{'accuracy':>10}{'weighted F1':>13}{'majority class':>16}")
    for name in SPLITS:
        mine, guess = figures[name], figures[f"{name}_majority"]
        lines.append(f"{name:12}{mine['accuracy']:>10.3f}{mine['f1_weighted']:>13.3f}{guess['accuracy']:>16.3f}")
    return "\n".join([*lines, f"artefact: {folder}"])


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run(lambda: train(argv))


if __name__ == "__main__":
    sys.exit(main())
