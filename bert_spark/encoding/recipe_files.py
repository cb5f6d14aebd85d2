"""Read the files in which sentence-transformers saves how a model's vectors are made. See docs/model-recipes.md.

Each function reads one file and refuses by name what this package does not do. Reads JSON and the headers of
safetensors: never code, never weights.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from bert_spark.encoding.vector_steps import Dense, LayerNorm, Normalize, StepWeights, VectorStep
from bert_spark.errors import ModelError

MODULES_FILE = "modules.json"
PROMPTS_FILE = "config_sentence_transformers.json"
TRANSFORMER_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
POOLINGS = {  # sentence-transformers' name -> ours
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "lasttoken": "last",
}
_FLAGS = {  # in the order in which the vectors of several flags are joined
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
}
_DIMENSION_KEYS = {"embedding_dimension", "word_embedding_dimension"}
_TEXT_MODALITY = {"method": "forward", "method_output_name": "last_hidden_state"}
_VECTOR = "sentence_embedding"
_WITHOUT_EFFECT = {"max_seq_length", "do_lower_case", "unpad_inputs", "model_args", "model_kwargs"}


@dataclass(frozen=True)
class Module:
    """One entry of modules.json: a kind such as "Pooling", and its folder."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class TokenizerSettings:
    """What the Transformer's file says of the tokenizer: the longest text in tokens, if stated, and lower case."""

    max_length: int | None
    lower_case: bool


def refuse(where: Path, what: str) -> NoReturn:
    """Raise ModelError: a recipe asks for something that this package does not do."""
    raise ModelError(
        f"the model's own recipe: {where} {what}; set a pooling by hand, such as pooling='mean', or use "
        "sentence-transformers for this model"
    )


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; {} if there is none."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise ModelError(f"{path} is not valid JSON ({err}); fetch the model anew") from err


def recipe_file_names(folder: Path) -> list[str]:
    """Return the files of a model's recipe that its folder has, as paths in it, such as 2_Dense/model.safetensors."""
    names = [MODULES_FILE, PROMPTS_FILE, *TRANSFORMER_FILES]
    names += [f"{path}/{name}" for path in module_paths(folder) for name in (_CONFIG, _WEIGHTS)]
    return [name for name in names if (folder / name).is_file()]


def has_recipe(folder: Path) -> bool:
    """Tell whether a model's folder holds a recipe."""
    return (folder / MODULES_FILE).is_file()


def module_paths(folder: Path) -> list[str]:
    """Return the subfolders that modules.json names.

    Raises
    ------
    ModelError
        If one leads out of the folder.
    """
    paths = [str(entry.get("path") or "") for entry in read_json(folder / MODULES_FILE)]
    for path in paths:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or set("\\:\0") & set(path):
            refuse(folder / MODULES_FILE, f"names the folder {path!r}, which is not inside the model's own")
    return [path for path in paths if path]


def read_modules(folder: Path) -> list[Module]:
    """Return the modules in their order, of which the first is the Transformer and the second the Pooling."""
    path = folder / MODULES_FILE
    module_paths(folder)
    modules = []
    for entry in read_json(path):
        name = str(entry.get("type"))
        if not name.startswith("sentence_transformers."):
            refuse(path, f"names the module {name!r}, which is code of its own")
        modules.append(Module(name.rpartition(".")[2], folder / str(entry.get("path") or "")))
    kinds = [module.kind for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        refuse(path, f"names the modules {kinds}; expected Transformer and Pooling first")
    if modules[0].folder != folder:
        refuse(path, f"has its Transformer in {modules[0].folder.name!r}; expected it in the model's folder itself")
    unknown = [kind for kind in kinds[2:] if kind not in {"Normalize", "Dense", "LayerNorm", "Dropout"}]
    if unknown:
        refuse(path, f"names the modules {unknown} after the pooling; known are Normalize, Dense, LayerNorm, Dropout")
    return modules


def read_tokenizer_settings(folder: Path) -> TokenizerSettings:
    """Return what the Transformer's file says, sentence_bert_config.json or one of its older names."""
    path = next(
        (folder / name for name in TRANSFORMER_FILES if read_json(folder / name)), folder / TRANSFORMER_FILES[0]
    )
    content = read_json(path)
    expected = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"}
    for key, value in expected.items():
        if content.get(key, value) != value:
            refuse(path, f"has {key} = {content[key]!r}; expected {value!r}")
    modalities = content.get("modality_config", {"text": _TEXT_MODALITY})
    if modalities.get("text") != _TEXT_MODALITY or "message" in modalities:
        refuse(path, f"has modality_config = {modalities}; expected texts that go to the model's forward as they are")
    options = content.get("processor_kwargs") or content.get("tokenizer_args") or {}
    _refuse_keys(path, options, {"model_max_length", "padding_side", "trust_remote_code"}, "options of the tokenizer")
    known = {*expected, "modality_config", "processor_kwargs", "tokenizer_args", *_WITHOUT_EFFECT}
    _refuse_keys(path, content, known, "settings")
    length = options.get("model_max_length", content.get("max_seq_length"))
    return TokenizerSettings(None if length is None else int(length), bool(content.get("do_lower_case")))


def read_pooling(folder: Path) -> tuple[tuple[str, ...], bool]:
    """Return the names of the poolings, and whether the tokens of a prompt count in them."""
    path = folder / _CONFIG
    content = read_json(path)
    if not content:
        refuse(path, "is missing; fetch the model anew")
    _refuse_keys(path, content, {"pooling_mode", "include_prompt", *_FLAGS, *_DIMENSION_KEYS}, "settings")
    if "pooling_mode" in content:
        modes = content["pooling_mode"]
        modes = [modes] if isinstance(modes, str) else list(modes)
        unknown = [mode for mode in modes if mode not in POOLINGS]
        if unknown or not modes:
            refuse(path, f"has pooling_mode {content['pooling_mode']!r}; known are {list(POOLINGS)}")
        names = [POOLINGS[mode] for mode in modes]
    else:
        names = [name for flag, name in _FLAGS.items() if content.get(flag)] or ["mean"]
    return tuple(names), bool(content.get("include_prompt", True))


def read_step(module: Module) -> VectorStep | None:
    """Return the step of a module after the pooling; None for Dropout, which does nothing outside training."""
    path = module.folder / _CONFIG
    content = read_json(path)
    for key in ("module_input_name", "module_output_name"):
        if (content.get(key) or _VECTOR) != _VECTOR:
            refuse(path, f"has {key} = {content[key]!r}; expected {_VECTOR!r}")
    if module.kind == "Dense":
        return _read_dense(path, content)
    if module.kind == "LayerNorm":
        return _read_layer_norm(path, content)
    return Normalize() if module.kind == "Normalize" else None


def read_prompts(folder: Path) -> dict[str, str]:
    """Return the model's prompts by name."""
    prompts = read_json(folder / PROMPTS_FILE).get("prompts") or {}
    return {str(name): str(text or "") for name, text in prompts.items()}


def read_model_settings(folder: Path) -> tuple[str, int | None]:
    """Return the default prompt ("" for none), and the number that vectors are cut to, if any."""
    path = folder / PROMPTS_FILE
    content = read_json(path)
    kind = content.get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        refuse(path, f"has model_type = {kind!r}; expected 'SentenceTransformer'")
    name, prompts = content.get("default_prompt_name"), read_prompts(folder)
    if name is not None and name not in {*prompts, "query", "document"}:  # these two exist in every model, if empty
        refuse(path, f"has default_prompt_name = {name!r}, and prompts of the names {sorted(prompts)}")
    size = content.get("truncate_dim")
    return prompts.get(name, ""), None if size is None else int(size)


def _read_dense(path: Path, content: Mapping[str, Any]) -> Dense:
    _refuse_keys(
        path,
        content,
        {
            *("in_features", "out_features", "bias", "activation_function", "use_residual"),
            *("module_input_name", "module_output_name"),
        },
        "settings",
    )
    inputs, outputs = _size(path, content, "in_features"), _size(path, content, "out_features")
    residual = bool(content.get("use_residual", False))
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (outputs, inputs)}
    if content.get("bias", True):
        shapes["linear.bias"] = (outputs,)
    if residual and inputs != outputs:
        shapes["residual.weight"] = (outputs, inputs)
    activation = _activation(path, str(content.get("activation_function", "torch.nn.Tanh")))
    return Dense(inputs, outputs, activation, residual, _weights(path.parent, shapes))


def _read_layer_norm(path: Path, content: Mapping[str, Any]) -> LayerNorm:
    size = _size(path, content, "dimension")
    return LayerNorm(size, _weights(path.parent, {"norm.weight": (size,), "norm.bias": (size,)}))


def _activation(path: Path, name: str) -> str:
    """Return the name in torch.nn of an activation class, which must be torch's own and take no arguments."""
    import torch

    short = name.rpartition(".")[2]
    kind: Any = getattr(torch.nn, short, None)
    of_torch = isinstance(kind, type) and issubclass(kind, torch.nn.Module)
    if not of_torch or name not in (f"torch.nn.{short}", f"{kind.__module__}.{short}"):
        refuse(path, f"has the activation {name!r}; expected a class of torch.nn, such as 'torch.nn.Tanh'")
    try:
        kind()
    except TypeError:
        refuse(path, f"has the activation {name!r}, which needs arguments")
    return short


def _weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> StepWeights:
    path = folder / _WEIGHTS
    if not path.is_file():
        others = sorted(file.name for file in folder.glob("*.bin")) or "no weights"
        refuse(folder, f"holds {others}; expected {_WEIGHTS}, since .bin files can run code")
    weights = StepWeights(path)
    weights.check_shapes(shapes, str(folder))
    return weights


def _size(path: Path, content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if not isinstance(value, int) or value < 1:
        refuse(path, f"has {key} = {value!r}; expected a number above 0")
    return value


def _refuse_keys(path: Path, content: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Refuse settings that this package does not know, unless their value says that they are off."""
    unknown: Sequence[str] = sorted(
        key for key, value in content.items() if key not in known and value not in (None, {}, "")
    )
    if unknown:
        refuse(path, f"has the {what} {list(unknown)}, which this version does not know")
