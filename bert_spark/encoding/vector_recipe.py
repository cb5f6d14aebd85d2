"""How an encoder makes a vector, with every setting resolved: by the settings alone, or by the model's own recipe."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from bert_spark.encoding.config import DEFAULT_MAX_LENGTH, EncoderConfig
from bert_spark.encoding.model_recipe import RecipeSource, source_of_folder
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.pooling import MODEL_POOLING, pooling_parts
from bert_spark.encoding.text_cleaning import replace_lone_surrogates
from bert_spark.encoding.vector_steps import Normalize, Truncate, VectorStep
from bert_spark.errors import ConfigError, ModelError

_NAME = re.compile(r"[\w.-]*\w")  # what a prompt's name looks like; a prompt itself ends with a sign or a blank
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # names for one thing, in the order in which they are looked up


@dataclass(frozen=True)
class VectorRecipe:
    """How an encoder makes a vector.

    Attributes
    ----------
    poolings
        Names of the poolings; the vectors of several stand side by side.
    max_length
        Tokens read from each text, including special tokens.
    prompt
        What is put before each text.
    prompt_in_pooling
        Whether the tokens of the prompt count in the pooling.
    lower_case
        Whether texts are lower-cased before the tokenizer's own normalisation.
    steps
        What follows the pooling.
    """

    poolings: tuple[str, ...]
    max_length: int
    prompt: str = ""
    prompt_in_pooling: bool = True
    lower_case: bool = False
    steps: tuple[VectorStep, ...] = ()

    def identity(self) -> dict[str, Any]:
        """Return what changes a vector, for the fingerprint. What is at its default is left out.

        So an encoder keeps the fingerprint that it had before these settings existed, and a recipe has the same
        fingerprint whether the model's files state it or the settings.
        """
        changed = {
            "prompt": self.prompt,
            "prompt_in_pooling": "" if self.prompt_in_pooling or not self.prompt else "no",
            "lower_case": self.lower_case,
            "steps": [step.identity() for step in self.steps],
        }
        identity = {"max_length": self.max_length, "pooling": "+".join(self.poolings)}
        return identity | {name: value for name, value in changed.items() if value}

    def tokens(self) -> tuple[Any, ...]:
        """Return what decides the token states. Recipes that agree in it can share one forward pass."""
        return (self.max_length, self.prompt, self.prompt_in_pooling or not self.prompt, self.lower_case)

    def width(self, hidden: int) -> int:
        """Return the numbers in one vector of a model with `hidden` numbers in a token state.

        Raises
        ------
        ModelError
            If a step does not take the vectors of the one before it.
        """
        width = hidden * (self.max_length if self.poolings == ("flatten",) else len(self.poolings))
        for step in self.steps:
            width = step.width(width)
        return width


def resolve_recipe(config: EncoderConfig, source: RecipeSource) -> VectorRecipe:
    """Return the recipe that `config` describes.

    Parameters
    ----------
    config
        The settings. Those that are set override the model's own recipe.
    source
        The model's own recipe and prompts, read only if the settings ask for them.

    Raises
    ------
    ModelError
        If the model's own recipe is asked for and cannot be followed, or states no length.
    ConfigError
        If the model has no prompt of that name.
    """
    chosen_steps: tuple[VectorStep, ...] = (Normalize(),) if config.normalize else ()
    prompt = None if config.prompt is None else replace_lone_surrogates(_prompt_text(config.prompt, source))
    if config.pooling != MODEL_POOLING:
        cut: tuple[VectorStep, ...] = (Truncate(config.dimensions),) if config.dimensions else ()
        length = config.max_length or DEFAULT_MAX_LENGTH
        return VectorRecipe(pooling_parts(config.pooling), length, prompt or "", steps=(*cut, *chosen_steps))
    own = source.recipe()
    length = config.max_length or own.max_length or 0
    if not length:
        raise ModelError(f"the recipe of model {config.model!r} states no length; set max_length (--max-length)")
    dimensions = config.dimensions or own.dimensions
    cut = (Truncate(dimensions),) if dimensions else ()
    return VectorRecipe(
        own.poolings,
        length,
        own.prompt if prompt is None else prompt,
        own.prompt_in_pooling,
        own.lower_case,
        (*own.steps, *cut, *chosen_steps),
    )


def recipe_of(config: EncoderConfig) -> VectorRecipe:
    """Return the recipe of the encoder that `config` describes. Its model's folder is read only if it must be."""
    return resolve_recipe(config, _named_source(config))


def fill_in_length(config: EncoderConfig) -> EncoderConfig:
    """Return the settings with the length of the model's own recipe, if none is set."""
    return config if config.max_length else dataclasses.replace(config, max_length=recipe_of(config).max_length)


def _named_source(config: EncoderConfig) -> RecipeSource:
    def source() -> RecipeSource:
        return source_of_folder(resolve_model(config.model, config.revision))

    return RecipeSource(lambda: source().recipe(), lambda: source().prompts())


def _prompt_text(prompt: str, source: RecipeSource) -> str:
    """Return the text of a prompt, which may be given by its name.

    Raises
    ------
    ConfigError
        If it looks like a name, and the model has no prompt of that name.
    """
    if not _NAME.fullmatch(prompt):
        return prompt
    prompts = source.prompts()
    for name in _DOCUMENT_PROMPTS if prompt == "document" else (prompt,):
        if name in prompts:
            return prompts[name]
    raise ConfigError(
        f"prompt={prompt!r} is no prompt of this model; known are {sorted(prompts)}; to put these words before each "
        f"text, write the prompt with what separates it from the text, such as {prompt + ': '!r}"
    )
