"""Load a model in eval mode and its tokenizer from a folder onto one device. Never runs code from the folder."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import damage_as_model_error, folder_digest, has_vocabulary
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.plain_bert import load_plain_bert
from bert_spark.encoding.pooling import pooling_parts
from bert_spark.errors import ConfigError, ModelError

logger = logging.getLogger(__name__)

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode on `device`, its tokenizer, and the digest of both ("live" for objects passed by a user)."""

    model: Any
    tokenizer: Any
    device: str
    digest: str

    @property
    def hidden(self) -> int:
        """Numbers in one token state."""
        return int(self.model.config.hidden_size)

    @property
    def positions(self) -> int | None:
        """Tokens that the model can read, including special tokens. None if nothing bounds them."""
        for name, module in self.model.named_modules():
            if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
                # RoBERTa and MPNet count positions from padding_idx + 1 on
                offset = 0 if module.padding_idx is None else module.padding_idx + 1
                return int(module.num_embeddings) - offset
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
    with damage_as_model_error(folder):
        tokenizer = _load_tokenizer(folder)
    if tokenizer is None or len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ModelError(f"model {config.model!r} has no tokenizer vocabulary: save its tokenizer into {folder} too")
    table_rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > table_rows:
        raise ModelError(
            f"model {config.model!r}: its tokenizer knows {len(tokenizer)} tokens, its embedding table {table_rows}: "
            "the tokenizer belongs to another model, or grew without model.resize_token_embeddings; save both anew"
        )
    logger.info("loaded %s on %s", config.model, device)
    return LoadedModel(model.eval().requires_grad_(False).to(device), tokenizer, device, folder_digest(folder))


def _load_with_transformers(folder: Path, config: EncoderConfig) -> Any:
    """Load a model of any architecture. Raises ModelError as `load_model` does."""
    import torch
    from transformers import AutoModel

    weights: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    with damage_as_model_error(folder), _no_progress_bar():
        model, info = AutoModel.from_pretrained(str(folder), **weights, **_LOCAL)
    if model.config.is_encoder_decoder:
        raise ModelError(f"model {config.model!r} is an encoder-decoder; expected an encoder such as BERT or RoBERTa")
    missing = sorted(info["missing_keys"])
    if any("pooler" not in name for name in missing):
        raise ModelError(
            f"model {config.model!r}: its file lacks {missing[:3]} ({len(missing)} tensors); save or fetch it anew"
        )
    if missing and "pooler" in pooling_parts(config.pooling):
        raise ModelError(f"pooling 'pooler': model {config.model!r} has no trained pooler; use 'cls' or 'mean'")
    return model


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


def from_live_objects(tokenizer: Any, model: Any) -> LoadedModel:
    """Wrap a live tokenizer and a live model, which is put into eval mode.

    In train mode dropout would give the same text two different vectors.

    Raises
    ------
    ConfigError
        If the two were passed in the other order.
    """
    if not callable(getattr(model, "eval", None)) or not hasattr(tokenizer, "unk_token_id"):
        raise ConfigError(
            f"got tokenizer={type(tokenizer).__name__}, model={type(model).__name__}; "
            "expected a transformers tokenizer first and a transformers model second"
        )
    return LoadedModel(model.eval(), tokenizer, str(model.device), "live")
