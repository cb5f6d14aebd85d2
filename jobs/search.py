"""Try a small grid of settings by cross-validation on the training split, and judge the best on rows it has not seen.

./spark-submit.sh jobs/search.py --input tweets.csv --text-column content --label-column sentiment --output search
./spark-submit.sh jobs/search.py --input tweets.csv ... --features bert+tfidf --c 0.003,0.01 --output search
./spark-submit.sh jobs/train.py --config search/best.toml --input tweets.csv ... --output artefact
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fsspec.core import url_to_fs

from bert_spark.cli.command_line import parse_job, required_option, run_job
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import pooling_parts
from bert_spark.errors import ConfigError
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.settings import JobSettings
from bert_spark.spark.training_data import examples_for_job
from bert_spark.tables.config import InputConfig
from bert_spark.training.config import HeadConfig, SearchConfig, TrainConfig
from bert_spark.training.evaluation import evaluate_splits
from bert_spark.training.fitting import fit_pipeline
from bert_spark.training.grid_search import Candidate, search_grid
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import SPLITS, split_examples
from bert_spark.training.stopwatch import Stopwatch

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {
    "input": InputConfig,
    "encoder": EncoderConfig,
    "train": TrainConfig,
    "head": HeadConfig,
    "search": SearchConfig,
}


def find(argv: list[str] | None = None) -> None:
    """Parse, embed once for all poolings, try, judge the best; write search.json and best.toml."""
    job = parse_job(__doc__ or "", SECTIONS, LOCAL, argv)
    folder = required_option(job.train.artefact, "--output")
    encoder = dataclasses.replace(job.encoder, pooling=_all_poolings(job.search))
    clock = Stopwatch()
    with clock("embed_and_collect"):
        loaded = examples_for_job("bert_spark search", job, encoder)
    if loaded is None:
        return
    examples, made_with, facts = loaded
    parts = split_examples(examples, job.train.seed)
    with clock("search"):
        candidates = search_grid(parts["train"], made_with, job.head, job.search, job.train.features)
    best = candidates[0]
    labels = parts["train"].labels.tolist()
    config = best.encoder(made_with)
    pipeline = build_pipeline(config, best.features, best.head(job.head), labels, job.search.tfidf_weight)
    if best.features != "tfidf":
        known = VectorsByText(examples.texts, examples.vectors, made_with.pooling)
        parts = {name: dataclasses.replace(p, vectors=known.encode(p.texts, config)) for name, p in parts.items()}
    with clock("fit_and_judge"):
        figures = evaluate_splits(fit_pipeline(pipeline, parts["train"]), parts)
    found = {"candidates": [dataclasses.asdict(one) for one in candidates], "held_out": figures, **facts}
    found["timings"] = clock.seconds
    fs, root = url_to_fs(folder)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/search.json", json.dumps(found, indent=2).encode())
    fs.pipe_file(f"{root}/best.toml", as_toml(best, job).encode())
    print(story(candidates, figures, folder))


def _all_poolings(grid: SearchConfig) -> str:
    """Return one pooling that holds all those to try, side by side, so that BERT runs once."""
    parts = list(dict.fromkeys(part for pooling in grid.pooling_list for part in pooling_parts(pooling)))
    if "flatten" in parts and len(parts) > 1:
        raise ConfigError(f"poolings {grid.poolings!r}: flatten can't be tried beside others; search it alone")
    return "+".join(parts)


def as_toml(best: Candidate, job: JobSettings) -> str:
    """Return the best candidate as settings of jobs/train.py."""
    weight = "" if best.class_weight == "none" else f', class_weight = "{best.class_weight}"'
    lines = [
        "# The best of jobs/search.py, for jobs/train.py --config",
        f'[encoder]\nmodel = {json.dumps(job.encoder.model)}\npooling = "{best.pooling}"',
        f"max_length = {job.encoder.max_length}",
        f'\n[train]\nfeatures = "{best.features}"\ntfidf_weight = {job.search.tfidf_weight}',
        f'\n[head]\nclass = "{job.head.class_name}"\noptions = {{ C = {best.C}{weight} }}',
    ]
    return "\n".join(lines) + "\n"


def story(candidates: list[Candidate], figures: dict[str, Any], folder: str) -> str:
    """Return what the job prints: the grid, best first, then the best one on held-out rows."""
    lines = [f"{'features':12}{'pooling':12}{'C':>8}  {'class_weight':14}{'weighted F1':>12}{'accuracy':>10}"]
    lines += [
        f"{one.features:12}{one.pooling:12}{one.C:>8}  {one.class_weight:14}"
        f"{one.f1_weighted:>12.4f}{one.accuracy:>10.4f}"
        for one in candidates
    ]
    lines.append("\nthe best, fitted on all training rows:")
    for name in SPLITS:
        mine, guess = figures[name], figures[f"{name}_majority"]
        lines.append(
            f"{name:12} weighted F1 {mine['f1_weighted']:.4f}, accuracy {mine['accuracy']:.4f} "
            f"(most frequent class {guess['accuracy']:.4f})"
        )
    return "\n".join(
        [*lines, f"search: {folder}", f"then:   jobs/train.py --config {folder.rstrip('/')}/best.toml ..."]
    )


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run_job(lambda: find(argv))


if __name__ == "__main__":
    sys.exit(main())
