"""How a model's authors make vectors of its token states: the files of its folder as one object. See `recipe_files`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bert_spark.encoding.recipe_files import (
    has_recipe,
    read_json,
    read_model_settings,
    read_modules,
    read_pooling,
    read_prompts,
    read_step,
    read_tokenizer_settings,
    refuse,
)
from bert_spark.encoding.vector_steps import VectorStep
from bert_spark.errors import ModelError

NO_LIMIT = 1_000_000  # tokenizers without a limit state 1e30


@dataclass(frozen=True)
class ModelRecipe:
    """How a model's authors make a vector.

    Attributes
    ----------
    poolings
        Names of the poolings; the vectors of several stand side by side.
    max_length
        Tokens read from each text, including special tokens; None if nothing bounds them.
    steps
        What follows the pooling.
    dimensions
        Numbers that the vector is cut to after these steps; None for all.
    lower_case
        Whether texts are lower-cased before the tokenizer's own normalisation.
    prompt
        What is put before each text unless another prompt is chosen; "" for nothing.
    prompt_in_pooling
        Whether the tokens of a prompt count in the pooling.
    stated
        Whether the model's files say so. A model without such files has the defaults of sentence-transformers.
    """

    poolings: tuple[str, ...]
    max_length: int | None
    steps: tuple[VectorStep, ...] = ()
    dimensions: int | None = None
    lower_case: bool = False
    prompt: str = ""
    prompt_in_pooling: bool = True
    stated: bool = True


@dataclass(frozen=True)
class RecipeSource:
    """Where a model's recipe and its prompts (name -> text) come from: its folder, or a live object."""

    recipe: Callable[[], ModelRecipe]
    prompts: Callable[[], Mapping[str, str]]


def source_of_folder(folder: Path) -> RecipeSource:
    """Return the recipe and the prompts of a model's folder, which are read when they are asked for."""
    return RecipeSource(partial(read_model_recipe, folder), partial(read_prompts, folder))


def read_model_recipe(folder: Path) -> ModelRecipe:
    """Return the recipe in a model's folder.

    A folder without modules.json has the defaults of sentence-transformers: the mean, or the last token of a causal
    language model.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or asks for something that this package does not do. The message names it.
    """
    files = sorted(
        path for pattern in ("*.json", "*/config.json", "*/model.safetensors") for path in folder.glob(pattern)
    )
    return _read_model_recipe(folder, tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=8)
def _read_model_recipe(folder: Path, stamp: Any) -> ModelRecipe:
    try:
        return _recipe_of_files(folder) if has_recipe(folder) else _default_recipe(folder)
    except ModelError:
        raise
    except Exception as err:  # a damaged file: another type where a number, a list or an object is expected
        raise ModelError(
            f"the model's own recipe in {folder} can't be read ({type(err).__name__}: {err}); fetch the model anew"
        ) from err


def _recipe_of_files(folder: Path) -> ModelRecipe:
    _, pooling, *others = read_modules(folder)
    settings = read_tokenizer_settings(folder)
    poolings, prompt_in_pooling = read_pooling(pooling.folder)
    prompt, dimensions = read_model_settings(folder)
    return ModelRecipe(
        poolings,
        settings.max_length if settings.max_length is not None else _bound(folder),
        tuple(step for step in map(read_step, others) if step is not None),
        dimensions,
        settings.lower_case,
        prompt,
        prompt_in_pooling,
    )


def _default_recipe(folder: Path) -> ModelRecipe:
    """Return what sentence-transformers does with a model that it did not save."""
    if read_json(folder / "tokenizer_config.json").get("chat_template") or list(folder.glob("chat_template.*")):
        refuse(folder, "has a chat template, into which sentence-transformers puts every text")
    config = read_json(folder / "config.json")
    architecture = (config.get("architectures") or [""])[0]
    is_causal = architecture.endswith("ForCausalLM") and config.get("is_causal", True)
    return ModelRecipe(("last" if is_causal else "mean",), _bound(folder), stated=False)


def _bound(folder: Path) -> int | None:
    """Return the smaller of the tokenizer's and the model's longest text, in tokens; None if both are unbounded."""
    from transformers import AutoConfig

    tokenizer_length = read_json(folder / "tokenizer_config.json").get("model_max_length")
    config = read_json(folder / "config.json")
    positions = config.get("max_position_embeddings")
    if positions is None:  # under another name, or the default of its class
        loaded = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        positions = getattr(loaded, "max_position_embeddings", None)
    bounds = [int(bound) for bound in (tokenizer_length, positions) if bound and 0 < bound < NO_LIMIT]
    return min(bounds, default=None)
