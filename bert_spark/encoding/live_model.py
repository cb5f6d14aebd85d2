"""Wrap the live objects that a user passes: a tokenizer with a model of transformers, or a SentenceTransformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bert_spark.encoding.model_loader import LIVE, LoadedModel, check_vocabulary
from bert_spark.encoding.model_recipe import NO_LIMIT, ModelRecipe, RecipeSource
from bert_spark.encoding.recipe_files import POOLINGS
from bert_spark.encoding.vector_steps import Dense, LayerNorm, Normalize, StepWeights, VectorStep
from bert_spark.errors import ConfigError, ModelError


def from_live_objects(tokenizer: Any, model: Any, *, keep_head: bool = False) -> LoadedModel:
    """Wrap a live tokenizer and a live model, which is put into eval mode.

    In train mode dropout would give the same text two different vectors.

    Parameters
    ----------
    tokenizer, model
        Of transformers. The model may have a head, such as that of a classifier or of a language model.
    keep_head
        Whether a function of the user reads the output of the head. Without it the model below the head is used.

    Raises
    ------
    ConfigError
        If the two were passed in the other order.
    ModelError
        If the model is an encoder-decoder, or the tokenizer knows more tokens than the model.
    """
    if not callable(getattr(model, "eval", None)) or not hasattr(tokenizer, "unk_token_id"):
        raise ConfigError(
            f"got tokenizer={type(tokenizer).__name__}, model={type(model).__name__}; "
            "expected a transformers tokenizer first and a transformers model second"
        )
    kind = type(model).__name__
    if not keep_head:
        model = _without_head(model)
    check_vocabulary(kind, tokenizer, model)
    return LoadedModel(model.eval(), tokenizer, str(model.device), LIVE)


def _without_head(model: Any) -> Any:
    """Return the model whose output is token states. A head's output is logits, one number a class or a word.

    Raises
    ------
    ModelError
        If the model has a decoder that reads what its encoder gives.
    """
    base = getattr(model, "base_model", model)
    if getattr(base.config, "is_encoder_decoder", False) and getattr(base, "decoder", None) is not None:
        raise ModelError(
            f"a {type(model).__name__} is an encoder-decoder; expected an encoder such as BERT: pass "
            "model.get_encoder()"
        )
    return base


def from_sentence_transformer(model: Any) -> LoadedModel:
    """Wrap a live SentenceTransformer, with the recipe that its modules are.

    Raises
    ------
    ModelError
        If a module does what this package does not do. The message names it.
    """
    transformer = model[0]
    network = getattr(transformer, "auto_model", None)
    if network is None:
        raise ModelError(
            f"a SentenceTransformer of {_kinds(model)} has no model of transformers; expected a Transformer first"
        )
    loaded = from_live_objects(model.tokenizer, network)
    source = RecipeSource(lambda: _recipe_of_modules(model), lambda: _prompts(model))
    return LoadedModel(loaded.model, loaded.tokenizer, loaded.device, LIVE, source)


def _recipe_of_modules(model: Any) -> ModelRecipe:
    kinds = _kinds(model)
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ModelError(f"got a SentenceTransformer of {kinds}; expected Transformer and Pooling first: set a pooling")
    poolings, prompt_in_pooling = _pooling(model[1])
    steps = [_step(module) for module in list(model)[2:] if type(module).__name__ != "Dropout"]
    length = model.max_seq_length
    prompt = _prompts(model).get(model.default_prompt_name or "", "")
    # a lower-casing tokenizer does so already: it is live, as sentence-transformers has made it
    return ModelRecipe(
        poolings,
        length if length and length < NO_LIMIT else None,
        tuple(steps),
        model.truncate_dim,
        prompt=prompt,
        prompt_in_pooling=prompt_in_pooling,
    )


def _pooling(module: Any) -> tuple[tuple[str, ...], bool]:
    modes = getattr(module, "pooling_mode", None)
    if modes is None:  # before sentence-transformers 5.5
        modes = module.get_pooling_mode_str().split("+")
    modes = [modes] if isinstance(modes, str) else list(modes)
    return tuple(POOLINGS[mode] for mode in modes), bool(module.include_prompt)


def _step(module: Any) -> VectorStep:
    weights = StepWeights(dict(module.state_dict()))
    kind = type(module).__name__
    if kind == "Normalize":
        return Normalize()
    if kind == "Dense":
        activation = type(module.activation_function)
        if activation.__module__.startswith("torch.nn."):
            residual = bool(getattr(module, "use_residual", False))
            return Dense(module.in_features, module.out_features, activation.__name__, residual, weights)
        kind = f"Dense with {activation.__name__}"
    if kind == "LayerNorm":
        return LayerNorm(module.dimension, weights)
    raise ModelError(
        f"the SentenceTransformer has the module {kind!r}, which this package does not do; set a pooling by hand, such "
        "as pooling='mean'"
    )


def _prompts(model: Any) -> dict[str, str]:
    return {name: text or "" for name, text in model.prompts.items()}


def _kinds(model: Sequence[Any]) -> list[str]:
    return [type(module).__name__ for module in model]
