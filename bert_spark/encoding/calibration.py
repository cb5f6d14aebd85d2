"""Calibrate a model for 8-bit integers: measure the ranges of its linear layers' inputs, and store them beside it.

Every process that loads the folder uses the same ranges.
"""

from __future__ import annotations

import dataclasses
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save

from bert_spark.encoding.batching import BatchLayout, BatchRunner
from bert_spark.encoding.bert_forward import ForwardOutput, bert_forward_for, is_bert_family
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.linear_kernels import TORCH_KERNELS, LinearKernels
from bert_spark.encoding.model_files import RANGES_FILE, check_new_model_folder, weights_digest
from bert_spark.encoding.model_resolver import MODEL_FILES, resolve_model
from bert_spark.encoding.openvino_int8 import Ranges, inputs_of
from bert_spark.encoding.pooling import TokenPooling
from bert_spark.encoding.recipe_files import MODULES_FILE, module_paths
from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.text_validation import check_texts
from bert_spark.encoding.token_budget import CPU_TOKENS
from bert_spark.errors import ConfigError

MIN_TEXTS = 100
_PAPERS = ("LICENSE*", "NOTICE*", "README*")


def calibrate(config: EncoderConfig, texts: Sequence[str], folder: str | Path) -> None:
    """Write a copy of a model that can run with ``precision="int8"``.

    The copy holds the model's files, and the ranges of the numbers that its linear layers get from `texts`. They are
    computed in float32 on the CPU.

    Parameters
    ----------
    config
        The model, and how texts are prepared for it, as you will set it for the copy: longer texts give other ranges.
        Precision and engine do not matter. One copy serves all poolings of one length and prompt.
    texts
        Texts such as those that will be embedded, 100 different ones or more. Missing and empty ones are left out. A
        thousand tweets take some seconds.
    folder
        A local folder that does not exist. It is a `model` from then on.

    Raises
    ------
    ConfigError
        If the folder exists or can't be written, there are too few texts, or the model is no BERT or RoBERTa of two
        layers or more.
    ModelError
        If the model can't be loaded.
    TextError
        If a text is neither a str nor missing.
    """
    target = check_new_model_folder(folder)
    different = sorted({text for text in check_texts(texts, missing="empty") if text.strip()})
    if len(different) < MIN_TEXTS:
        raise ConfigError(
            f"got {len(different)} different texts; expected {MIN_TEXTS} or more: pass more texts of the same kind"
        )
    encoder = BertEncoder.from_config(dataclasses.replace(config, engine="torch", precision="float32", device="cpu"))
    source = resolve_model(config.model, config.revision)
    new = target.with_name(f"{target.name}.new-{secrets.token_hex(3)}")
    try:
        new.mkdir(parents=True)  # before the work: else a folder that can't be written is found after it
        ranges = measure_ranges(encoder, different)
        _copy_model(source, new)
        (new / RANGES_FILE).write_bytes(save(ranges, {"weights": weights_digest(new)}))
        new.rename(target)
    except OSError as err:
        raise ConfigError(f"{str(folder)!r} can't be written ({err.strerror or err}); set another folder") from err
    finally:
        shutil.rmtree(new, ignore_errors=True)


def measure_ranges(encoder: BertEncoder, texts: Sequence[str]) -> Ranges:
    """Return the least and the largest number, or 0, of each channel of the linear layers' inputs, without padding.

    Raises
    ------
    ConfigError
        If the model is no BERT or RoBERTa of two layers or more.
    """
    model, recipe = encoder.loaded.model, encoder.recipe
    if not is_bert_family(model):
        raise ConfigError(
            f"got a {type(model).__name__}; expected a BERT or RoBERTa: use another precision for this model"
        )
    if len(model.encoder.layer) < 2:
        raise ConfigError(
            "got a model of one layer; expected two or more, since the last layer stays in float32: use "
            "precision='float32'"
        )
    names = {id(linear): name for name, linears in inputs_of(model.encoder.layer).items() for linear in linears}
    ranges: Ranges = {}

    def record(linear: torch.nn.Linear, rows: torch.Tensor) -> None:
        name, numbers = names[id(linear)], rows.flatten(0, -2)
        least, largest = ranges.get(name, torch.zeros(2, numbers.shape[1]))
        ranges[name] = torch.stack([least.minimum(numbers.amin(0)), largest.maximum(numbers.amax(0))])

    def linear(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
        record(layer, rows)
        return TORCH_KERNELS.linear(layer, rows)

    def gelu(layer: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
        record(layer, rows)
        return TORCH_KERNELS.gelu(layer, rows)

    bert = bert_forward_for(model, TokenPooling(("mean",)), LinearKernels(linear, gelu))

    def embed_batch(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            output: ForwardOutput = bert(ids, mask)
        return output.last_hidden_state[:, 0]

    prepared = [recipe.prompt + prepare_text(text, encoder.config.clean) for text in texts]
    windows = [window for window in encoder.text_tokenizer.tokenize(prepared).windows if window]
    runner = BatchRunner("cpu", BatchLayout(equal_lengths=True), encoder.text_tokenizer.pad_id, CPU_TOKENS)
    runner.run(windows, embed_batch, encoder.loaded.hidden)
    return {name: found.clone() for name, found in ranges.items()}


def _copy_model(source: Path, target: Path) -> None:
    """Copy a model, and the modules after it that its modules.json names. Leaves out weights in other formats."""
    modules = module_paths(source) if (source / MODULES_FILE).is_file() else []
    wanted = [path for pattern in (*MODEL_FILES, *_PAPERS) for path in source.glob(pattern)]
    wanted += [path for module in modules for path in (source / module).glob("*")]  # a package may lack them
    for path in wanted:
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)  # the content alone: a shared model's files may be read-only
