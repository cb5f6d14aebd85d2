"""One search: try the grid on the training split, evaluate the best candidate on held-out rows, and write both."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fsspec.core import url_to_fs

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.pooling import MODEL_POOLING
from bert_spark.encoding.vector_recipe import VectorRecipe, fill_in_length, recipe_of
from bert_spark.errors import ConfigError, ModelError
from bert_spark.estimators.precomputed import VectorsByText
from bert_spark.training.best_settings import best_as_toml
from bert_spark.training.config import SearchConfig
from bert_spark.training.evaluation import evaluate_splits
from bert_spark.training.examples import Examples, TrainingData
from bert_spark.training.fitting import fit_and_predict
from bert_spark.training.grid_search import Candidate, grid_points, search_grid
from bert_spark.training.heads import build_head
from bert_spark.training.pipelines import build_pipeline
from bert_spark.training.splits import split_examples
from bert_spark.training.stopwatch import Stopwatch
from bert_spark.training.text_summaries import search_summary

if TYPE_CHECKING:
    from bert_spark.settings import JobSettings

logger = logging.getLogger(__name__)


def check_search(job: JobSettings) -> None:
    """Refuse, before Spark starts, settings that the search would leave out of account.

    Raises
    ------
    ConfigError
        If the grid does not try the pooling that is set, or the classifier does not take C and a class weight.
    """
    pooling, grid = job.encoder.pooling, job.search
    if pooling not in (EncoderConfig.pooling, *grid.pooling_list):
        raise ConfigError(
            f"got pooling {pooling!r}, which the search would not try; pass --poolings {grid.poolings},{pooling}"
        )
    for point in grid_points(grid):
        try:
            build_head(Candidate(job.train.features, pooling, **point).head(job.head))
        except ConfigError as err:
            raise ConfigError(
                f"{err}. A search tries values of C and class_weight: set a --head that takes both, such as "
                "sklearn.svm.LinearSVC"
            ) from err


def encoder_of_search(job: JobSettings) -> EncoderConfig:
    """Return an encoder whose vectors hold every pooling of the grid side by side. BERT then runs once for all.

    What follows the pooling, such as vectors of length 1, is computed of the stored vectors for each candidate.

    Raises
    ------
    ConfigError
        If the model's own recipe reads other tokens than the settings do.
    """
    base = fill_in_length(job.encoder)
    recipes = _searched_recipes(job.search, base)
    parts = list(dict.fromkeys(part for recipe in recipes.values() for part in recipe.poolings))
    if list(recipes) == [MODEL_POOLING]:
        return dataclasses.replace(base, pooling=MODEL_POOLING)
    return dataclasses.replace(base, pooling="+".join(parts), normalize=False, dimensions=None)


def _searched_recipes(grid: SearchConfig, base: EncoderConfig) -> dict[str, VectorRecipe]:
    """Return the recipe of each pooling of the grid, by its name.

    Of the default grid the model's own recipe is left out where it can't be tried, or is one of the others.
    """
    is_default = grid.poolings == SearchConfig.poolings
    recipes = {
        name: recipe_of(dataclasses.replace(base, pooling=name)) for name in grid.pooling_list if name != MODEL_POOLING
    }
    if MODEL_POOLING not in grid.pooling_list:
        return recipes
    try:
        own = recipe_of(dataclasses.replace(base, pooling=MODEL_POOLING))
        differing = [name for name, recipe in recipes.items() if recipe.tokens() != own.tokens()]
        if differing:
            raise ConfigError(
                f"got poolings {grid.poolings!r}: the model's own recipe reads other tokens (a prompt, or lower case) "
                f"than {differing}; pass --prompt with the model's own, or --poolings model alone"
            )
    except (ConfigError, ModelError) as err:
        if not is_default:
            raise
        logger.warning("pooling model is not tried: %s", err)
        return recipes
    return recipes if is_default and own in recipes.values() else recipes | {MODEL_POOLING: own}


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
    base = data.encoder
    if not data.from_stored_vectors:
        base = fill_in_length(dataclasses.replace(job.encoder, revision=data.encoder.revision))
    grid = dataclasses.replace(job.search, poolings=",".join(_searched_recipes(job.search, base)))
    with clock("search"):
        weight = job.search.tfidf_factor(job.train)
        candidates = search_grid(parts["train"], data.encoder, job.head, grid, job.train.features, base, weight)
    with clock("fit_and_judge"):
        figures = _evaluate_best(job, data, parts, candidates[0], base)
    result = {"candidates": [dataclasses.asdict(one) for one in candidates], "held_out": figures, **data.facts}
    result["timings"] = clock.seconds
    folder = str(job.train.artefact)
    fs, root = url_to_fs(folder)
    fs.makedirs(root, exist_ok=True)
    fs.pipe_file(f"{root}/search.json", json.dumps(result, indent=2).encode())
    fs.pipe_file(f"{root}/best.toml", best_as_toml(candidates[0], job, base).encode())
    return search_summary(candidates, figures, folder)


def _evaluate_best(
    job: JobSettings, data: TrainingData, parts: Mapping[str, Examples], best: Candidate, base: EncoderConfig
) -> dict[str, Any]:
    """Fit the best candidate on all training rows and return its metrics on each split."""
    labels = parts["train"].labels.tolist()
    encoder = best.encoder(base)
    pipeline = build_pipeline(encoder, best.features, best.head(job.head), labels, job.search.tfidf_factor(job.train))
    if best.features != "tfidf":
        stored = VectorsByText(data.examples.texts, data.examples.vectors, data.encoder)
        parts = {
            name: dataclasses.replace(part, vectors=stored.encode(part.texts, encoder)) for name, part in parts.items()
        }
    return evaluate_splits(parts, fit_and_predict(pipeline, parts))
