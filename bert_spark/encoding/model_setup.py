"""Find out how a model must be run with the settings, and return the functions that run it.

The model is tried with a few tiny batches: what its states depend on, whether it can compute in the precision, how many
numbers a vector has, and which rows may stand in one batch.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bert_spark.encoding.batching import BatchLayout, BatchRunner, EmbedBatch
from bert_spark.encoding.bert_forward import is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_loader import LoadedModel
from bert_spark.encoding.model_probe import ModelTraits, is_probed, probe_model
from bert_spark.encoding.openvino_backend import openvino_embed_batch
from bert_spark.encoding.pooling import MODEL_POOLING, TokenPooling
from bert_spark.encoding.token_budget import cpu_token_budget, gpu_token_budget
from bert_spark.encoding.tokenization import TextTokenizer
from bert_spark.encoding.torch_backend import torch_embed_batch
from bert_spark.encoding.vector_recipe import VectorRecipe
from bert_spark.encoding.vector_steps import VectorStep, build_steps
from bert_spark.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSetup:
    """How a model is run.

    Attributes
    ----------
    embed_batch
        Embeds a batch in the precision of the settings: (ids, mask) -> vectors of any dtype.
    embed_batch_float32
        The same in float32 with torch, for rows that half precision cannot hold.
    batch_runner
        Forms the batches, and counts the calls of the model.
    width
        Numbers in one vector.
    """

    embed_batch: EmbedBatch
    embed_batch_float32: EmbedBatch
    batch_runner: BatchRunner
    width: int


def set_up_model(
    loaded: LoadedModel, config: EncoderConfig, recipe: VectorRecipe, tokenizer: TextTokenizer
) -> ModelSetup:
    """Try a model with tiny batches and return how it is run.

    Parameters
    ----------
    loaded
        Model and tokenizer.
    config
        Settings.
    recipe
        How a vector is made, with every setting resolved.
    tokenizer
        Knows the special tokens, and how many tokens a text may have.

    Raises
    ------
    ConfigError
        If the model can't be run with these settings. The message names the setting to change.
    ModelError
        If the steps after the pooling do not fit each other.
    SetupError
        If OpenVINO is not installed, or is asked for on a GPU.
    """
    traits = _traits(loaded, config, recipe, tokenizer)
    loaded = dataclasses.replace(loaded, types=traits.types)
    if recipe.steps and config.embedding_func is None:
        recipe.width(loaded.hidden)  # refuses steps that do not fit each other
    pooling = TokenPooling(recipe.poolings, _skipped_tokens(config, recipe, tokenizer))
    embed_batch = embed_batch_for(loaded, config, pooling, recipe.steps)
    float32_config = dataclasses.replace(config, engine="torch", precision="float32")
    embed_batch_float32 = embed_batch_for(loaded, float32_config, pooling, recipe.steps)
    if config.embedding_func is None:
        layout = _layout(recipe, traits, tokenizer, config.precision)
    else:
        layout = _layout_of_func(embed_batch_float32, loaded.device, tokenizer)
    budget = config.token_budget or cpu_token_budget(config.precision)
    batch_runner = BatchRunner(loaded.device, layout, tokenizer.pad_id, budget)
    one_token = batch_runner.pad([_dummy_window(tokenizer, 1)])
    width = embed_batch_float32(*one_token).reshape(1, -1).shape[1]

    def dummy_batch(tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and mask of a batch of about `tokens` tokens, in rows of max_length, to measure with."""
        rows = max(1, tokens // tokenizer.max_length)
        return batch_runner.pad([_dummy_window(tokenizer, tokenizer.max_text_tokens)] * rows)

    if config.precision != "float32" and not is_bert_family(loaded.model):
        _check_precision(loaded, config, embed_batch, dummy_batch(1))
    if not config.token_budget and loaded.device.startswith("cuda"):
        batch_runner.token_budget = gpu_token_budget(dummy_batch, embed_batch, loaded.device)
    return ModelSetup(embed_batch, embed_batch_float32, batch_runner, width)


def embed_batch_for(
    loaded: LoadedModel, config: EncoderConfig, pooling: TokenPooling, steps: Sequence[VectorStep] = ()
) -> EmbedBatch:
    """Return the function that embeds a batch with the engine of `config`: (ids, mask) -> vectors of any dtype.

    Parameters
    ----------
    loaded, config
        As in `set_up_model`.
    pooling
        How the token states become one vector.
    steps
        What follows the pooling, in float32.

    Raises
    ------
    SetupError
        If OpenVINO is not installed, or is asked for on a GPU.
    ConfigError
        If OpenVINO is asked for, and can't convert the model or gives other vectors.
    """
    embed = openvino_embed_batch if config.engine == "openvino" else torch_embed_batch
    embed_batch = embed(loaded, config, pooling)
    if not steps:
        return embed_batch
    finish = build_steps(steps, loaded.device)

    def embed_and_finish(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return finish(embed_batch(ids, mask).reshape(len(ids), -1).float())

    return embed_and_finish


def _traits(loaded: LoadedModel, config: EncoderConfig, recipe: VectorRecipe, tokenizer: TextTokenizer) -> ModelTraits:
    """Return what the model's states depend on.

    Raises
    ------
    ConfigError
        If "cls" is to be read, and the first token does not read the text.
    """
    if not is_probed(loaded) or (config.embedding_func is None and is_bert_family(loaded.model)):
        return ModelTraits()
    traits = probe_model(loaded, tokenizer)
    kind = type(loaded.model).__name__
    if traits.depends_on_padding:
        logger.info("a row's states in %s depend on padding: only rows of one length make a batch", kind)
    reads_cls = "cls" in recipe.poolings and config.pooling != MODEL_POOLING
    if reads_cls and config.embedding_func is None and not traits.first_token_reads_text:
        raise ConfigError(
            f"pooling={config.pooling!r}: the first token of a {kind} reads no other token, so that its state "
            "says nothing of a text; set pooling='last', or 'mean'"
        )
    return traits


def _skipped_tokens(config: EncoderConfig, recipe: VectorRecipe, tokenizer: TextTokenizer) -> int:
    """Return how many tokens of the prompt the poolings leave out: all but a special token at its end."""
    if recipe.prompt_in_pooling or not recipe.prompt:
        return 0
    if config.long_text == "windows":
        raise ConfigError(
            "the model's own recipe leaves the prompt out of the pooling, which long_text='windows' can't do; set "
            "long_text='truncate', or prompt=''"
        )
    ids = tokenizer.tokenize([recipe.prompt]).windows[0]
    return len(ids) - (ids[-1] in tokenizer.tokenizer.all_special_ids)


def _layout(recipe: VectorRecipe, traits: ModelTraits, tokenizer: TextTokenizer, precision: str) -> BatchLayout:
    """Return the rules for the rows of one batch, for a pooling and a precision."""
    if recipe.poolings == ("flatten",):
        return BatchLayout(padded_to=tokenizer.max_length)
    # Padding changes the last bit of a float32 sum. A number next to the border of two 8-bit steps then gets the other
    # one, which moves a vector by up to .03.
    return BatchLayout(equal_lengths=traits.depends_on_padding or precision == "int8")


def _layout_of_func(embed_batch: EmbedBatch, device: str, tokenizer: TextTokenizer) -> BatchLayout:
    """Return the rules for the rows of one batch, for a user's function.

    A user's function does not get the attention mask, so it must never see padding. The tutorial's flatten does not
    return one row of fixed width per text: such a function runs on each text alone, padded to max_length.
    """
    shapes = set()
    for tokens in {1, min(2, tokenizer.max_text_tokens)}:
        ids = torch.tensor([_dummy_window(tokenizer, tokens)] * 2, device=device)
        result = embed_batch(ids, torch.ones_like(ids))
        if not isinstance(result, torch.Tensor):
            kind = type(result).__name__
            raise ConfigError(f"embedding_func returned a {kind}; expected a tensor with one row per text")
        shapes.add(tuple(result.shape))
    shape = shapes.pop()
    is_row_wise = not shapes and len(shape) == 2 and shape[0] == 2
    return BatchLayout(equal_lengths=True) if is_row_wise else BatchLayout(padded_to=tokenizer.max_length, one_row=True)


def _check_precision(
    loaded: LoadedModel, config: EncoderConfig, embed_batch: EmbedBatch, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """Raise ConfigError if the model fails in the precision of the settings."""
    try:
        embed_batch(*batch)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as err:
        raise ConfigError(
            f"a {type(loaded.model).__name__} can't compute in precision={config.precision!r} "
            f"({str(err).splitlines()[0]}); set precision='float32'"
        ) from err


def _dummy_window(tokenizer: TextTokenizer, tokens: int) -> list[int]:
    """Return a window of `tokens` unknown tokens between the special ones."""
    return [*tokenizer.prefix, *([tokenizer.unknown_id or tokenizer.pad_id] * tokens), *tokenizer.suffix]
