"""Say in one line where an encoder's settings are not what the model's authors meant, and the option that is."""

from __future__ import annotations

import logging

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_recipe import ModelRecipe, source_of_folder
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.pooling import MODEL_POOLING
from bert_spark.encoding.recipe_files import has_recipe
from bert_spark.encoding.vector_recipe import VectorRecipe, recipe_of
from bert_spark.encoding.vector_steps import Dense, LayerNorm, Normalize
from bert_spark.errors import ModelError

logger = logging.getLogger(__name__)


def log_recipe_note(config: EncoderConfig) -> None:
    """Log the line of `recipe_note`, if there is one.

    Raises
    ------
    ModelError
        As `recipe_note` raises; or if the model's own recipe is asked for and can't be followed.
    """
    note = recipe_note(config)
    if note:
        logger.warning("%s", note)


def recipe_note(config: EncoderConfig) -> str:
    """Return one line about settings that are not those of the model's own recipe; "" if there are none.

    A model without a recipe has nothing to differ from.

    Raises
    ------
    ModelError
        If the model is not on this machine and cannot be fetched.
    """
    folder = resolve_model(config.model, config.revision)
    if not has_recipe(folder) or config.embedding_func is not None:
        return ""
    try:
        own = source_of_folder(folder).recipe()
    except ModelError as err:
        return (
            "" if config.pooling == MODEL_POOLING else f"{str(err).partition('; set a pooling')[0]}: it is not followed"
        )
    chosen = recipe_of(config)
    ours, theirs = _differences(chosen, own)
    if not ours:
        return ""
    advice = (
        "leave these settings out to follow it"
        if config.pooling == MODEL_POOLING
        else "pooling='model' (--pooling model) follows it"
    )
    return f"model {config.model} was made for {', '.join(theirs)}; the settings say {', '.join(ours)}: {advice}"


def _differences(chosen: VectorRecipe, own: ModelRecipe) -> tuple[list[str], list[str]]:
    """Return what the settings say and what the model's authors say, where the two differ."""
    pairs = [
        (f"pooling {'+'.join(chosen.poolings)}", f"pooling {'+'.join(own.poolings)}"),
        (f"{chosen.max_length} tokens", f"{own.max_length or chosen.max_length} tokens"),
        (_length_of(chosen.steps), _length_of(own.steps)),
        (_layers(chosen.steps), _layers(own.steps)),
        (_prompt(chosen.prompt), _prompt(own.prompt)),
        (
            "letters as they are" if not chosen.lower_case else "lower case",
            "lower case" if own.lower_case else "letters as they are",
        ),
    ]
    pairs = [(ours, theirs) for ours, theirs in pairs if ours != theirs]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def _length_of(steps: tuple[object, ...]) -> str:
    return "vectors of length 1" if Normalize() in steps else "vectors of any length"


def _layers(steps: tuple[object, ...]) -> str:
    names = [type(step).__name__ for step in steps if isinstance(step, Dense | LayerNorm)]
    return f"its layers {names} after the pooling" if names else "no layer after the pooling"


def _prompt(prompt: str) -> str:
    return f"the prompt {prompt!r}" if prompt else "no prompt"
