"""One search: try the grid on the training split, evaluate the best candidate on held-out rows, and write both."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs

from bert_spark.encoding.config import EncoderConfig
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.training.evaluation import evaluate_splits
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.fitting import fit_and_predict
from bert_spark.training.grid_search import Candidate, search_grid
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import split_examples
from bert_spark.training.stopwatch import Stopwatch
from bert_spark.training.text_summaries import search_summary

if TYPE_CHECKING:
    from bert_spark.settings import JobSettings


def encoder_of_search(job: JobSettings) -> EncoderConfig:
    """Return an encoder whose vectors hold every pooling of the grid side by side. BERT then runs once for all."""
    encoder: EncoderConfig = job.encoder
    return dataclasses.replace(encoder, pooling=job.search.joined_poolings)


def search_and_save(job: JobSettings, data: TrainingData) -> str:
    """Try the grid, evaluate the best candidate, and write `search.json` and `best.toml`.

    Returns
    -------
    str
        The summary that the job prints.

    Raises
    ------
    DataError
        If the training rows cannot be cut into folds or fitted.
    """
    clock = Stopwatch(data.seconds)
    parts = split_examples(data.examples, job.train.seed)
    with clock("search"):
        candidates = search_grid(parts["train"], data.encoder, job.head, job.search, job.train.features)
    with clock("fit_and_judge"):
        figures = _evaluate_best(job, data, parts, candidates[0])
    result = {"candidates": [dataclasses.asdict(one) for one in candidates], "held_out": figures, **data.facts}
    result["timings"] = clock.seconds
    folder = str(job.train.artefact)
    fs, root = url_to_fs(folder)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/search.json", json.dumps(result, indent=2).encode())
    fs.pipe_file(f"{root}/best.toml", best_as_toml(candidates[0], job).encode())
    return search_summary(candidates, figures, folder)


def _evaluate_best(
    job: JobSettings, data: TrainingData, parts: Mapping[str, Examples], best: Candidate
) -> dict[str, Any]:
    """Fit the best candidate on all training rows and return its metrics on each split."""
    labels = parts["train"].labels.tolist()
    encoder = best.encoder(data.encoder)
    pipeline = build_pipeline(encoder, best.features, best.head(job.head), labels, job.search.tfidf_weight)
    if best.features != "tfidf":
        stored = VectorsByText(data.examples.texts, data.examples.vectors, data.encoder.pooling)
        parts = {
            name: dataclasses.replace(part, vectors=stored.encode(part.texts, encoder)) for name, part in parts.items()
        }
    return evaluate_splits(parts, fit_and_predict(pipeline, parts))


def best_as_toml(best: Candidate, job: JobSettings) -> str:
    """Return the best candidate as settings that `jobs/train.py --config` reads."""
    weight = "" if best.class_weight == "none" else f', class_weight = "{best.class_weight}"'
    lines = [
        "# The best candidate of jobs/search.py, for jobs/train.py --config",
        f'[encoder]\nmodel = {json.dumps(job.encoder.model)}\npooling = "{best.pooling}"',
        f"max_length = {job.encoder.max_length}",
        f'\n[train]\nfeatures = "{best.features}"\ntfidf_weight = {job.search.tfidf_weight}',
        f'\n[head]\nclass = "{job.head.class_name}"\noptions = {{ C = {best.C}{weight} }}',
    ]
    return "\n".join(lines) + "\n"
