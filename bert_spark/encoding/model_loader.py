"""Load a model in eval mode and its tokenizer from a folder onto one device. Never runs code from the folder."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import damage_as_model_error, folder_digest, has_vocabulary
from bert_spark.encoding.model_recipe import ModelRecipe, RecipeSource, source_of_folder
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.plain_bert import load_plain_bert
from bert_spark.encoding.pooling import pooling_parts
from bert_spark.encoding.recipe_files import read_json
from bert_spark.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from bert_spark.encoding.own_forward import TokenTypes

logger = logging.getLogger(__name__)

LIVE = "live"  # the digest of objects that a user passed
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def _no_recipe() -> ModelRecipe:
    raise ConfigError(
        "pooling='model' needs a model by name, or a live SentenceTransformer; a live transformers model has no "
        "recipe: set a pooling by hand, such as pooling='mean'"
    )


NO_RECIPE = RecipeSource(_no_recipe, dict)


@dataclass(frozen=True)
class LoadedModel:
    """A model on one device, with its tokenizer.

    Attributes
    ----------
    model
        The model, in eval mode.
    tokenizer
        Its tokenizer.
    device
        "cpu" or "cuda:N".
    digest
        Of the content of both; LIVE for objects that a user passed.
    source
        The model's own recipe and prompts.
    types
        Token types that the model's own forward pass needs; None for most models.
    """

    model: Any
    tokenizer: Any
    device: str
    digest: str
    source: RecipeSource = NO_RECIPE
    types: TokenTypes | None = None

    @property
    def hidden(self) -> int:
        """Numbers in one token state."""
        return int(self.model.config.hidden_size)

    @property
    def positions(self) -> int | None:
        """Tokens that the model can read, including special tokens. None if nothing bounds them."""
        for name, module in self.model.named_modules():
            if name.endswith("position_embeddings") and getattr(getattr(module, "weight", None), "ndim", 0) == 2:
                # RoBERTa and MPNet count positions from padding_idx + 1 on
                padding_idx = getattr(module, "padding_idx", None)
                return int(module.weight.shape[0]) - (0 if padding_idx is None else padding_idx + 1)
        bound = getattr(self.model.config, "max_position_embeddings", None)
        return int(bound) if bound and bound > 0 else None


def load_model(config: EncoderConfig, device: str) -> LoadedModel:
    """Load the model and tokenizer of `config` onto `device`: float32 weights, eval mode.

    Raises
    ------
    ModelError
        If a file is missing or damaged, the model is not an encoder, or it lacks the part that `pooling` reads.
    """
    folder = resolve_model(config.model, config.revision)
    with damage_as_model_error(folder):
        # a function of the user's own reads the output of the model's own forward pass
        plain = load_plain_bert(folder) if config.embedding_func is None else None
    model = _load_with_transformers(folder, config) if plain is None else plain
    tokenizer = load_tokenizer(folder, config.model)
    check_vocabulary(config.model, tokenizer, model)
    logger.info("loaded %s on %s", config.model, device)
    model = model.eval().requires_grad_(False).to(device)
    return LoadedModel(model, tokenizer, device, folder_digest(folder), source_of_folder(folder))


def _model_class(folder: Path) -> Any:
    """Return the class that loads a folder's model. The file of an encoder such as T5EncoderModel has no decoder."""
    from transformers import AutoModel, AutoModelForTextEncoding

    names = read_json(folder / "config.json").get("architectures") or [""]
    return AutoModelForTextEncoding if names[0].endswith("EncoderModel") else AutoModel


def _load_with_transformers(folder: Path, config: EncoderConfig) -> Any:
    """Load a model of any architecture. Raises ModelError as `load_model` does."""
    import torch

    weights: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    with damage_as_model_error(folder), _no_progress_bar():
        model, info = _model_class(folder).from_pretrained(str(folder), **weights, **_LOCAL)
    # the settings of a UMT5EncoderModel say so too, but it has no decoder
    if model.config.is_encoder_decoder and getattr(model, "decoder", None) is not None:
        raise ModelError(f"model {config.model!r} is an encoder-decoder; expected an encoder such as BERT or RoBERTa")
    missing = sorted(info["missing_keys"])
    if any("pooler" not in name for name in missing):
        raise ModelError(
            f"model {config.model!r}: its file lacks {missing[:3]} ({len(missing)} tensors); save or fetch it anew"
        )
    if missing and "pooler" in pooling_parts(config.pooling):
        raise ModelError(f"pooling 'pooler': model {config.model!r} has no trained pooler; use 'cls' or 'mean'")
    return model


def load_tokenizer(folder: Path, name: str) -> Any:
    """Return the tokenizer of a model, whose `name` is in error messages.

    Raises
    ------
    ModelError
        If its files are missing or damaged.
    """
    with damage_as_model_error(folder):
        tokenizer = _load_tokenizer(folder)
    if tokenizer is None or len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ModelError(f"model {name!r} has no tokenizer vocabulary: save its tokenizer into {folder} too")
    return tokenizer


def _load_tokenizer(folder: Path) -> Any:
    """Load a folder's tokenizer. Return None, or a tokenizer of special tokens alone, if its files are missing.

    Without the files transformers 5 creates a tokenizer of special tokens alone, and transformers 4 raises various
    errors.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), **_LOCAL)
    except Exception:
        if has_vocabulary(folder):
            raise
        return None


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def check_vocabulary(name: str, tokenizer: Any, model: Any) -> None:
    """Raise ModelError if the tokenizer knows more tokens than the model's embedding table has rows."""
    try:
        table_rows = model.get_input_embeddings().weight.shape[0]
    except (AttributeError, NotImplementedError):  # CANINE hashes characters and has no table
        return
    if len(tokenizer) > table_rows:
        raise ModelError(
            f"model {name!r}: its tokenizer knows {len(tokenizer)} tokens, its embedding table {table_rows}: "
            "the tokenizer belongs to another model, or grew without model.resize_token_embeddings; save both anew"
        )
