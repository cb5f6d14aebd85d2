"""Write recipes as sentence-transformers saves them, beside a stored tiny BERT, and compute what they mean in numpy."""

import json
import shutil

import numpy as np
from safetensors.numpy import save_file

from tests.support import transformers_oracle
from tests.support.paths import ROOT

BASE = ROOT / "tests" / "data" / "before_0_2" / "model"  # hidden size 32, 64 positions
TEXTS = ["", "hello", "HELLO my good world", "happy happy sad " * 30]
MEAN, WEIGHTED = {"pooling_mode_mean_tokens": True}, {"pooling_mode": "weightedmean"}


def numbers(*shape):
    """Return the same numbers between -0.5 and 0.5 on every run and machine."""
    return (np.sin(np.arange(1, np.prod(shape) + 1) * 1.7) / 2).astype(np.float32).reshape(shape)


def dense(inputs, outputs, *, bias=True, **config):
    """Return a Dense module: its kind, its config and its weights."""
    weights = {"linear.weight": numbers(outputs, inputs)} | ({"linear.bias": numbers(outputs)} if bias else {})
    if config.get("use_residual") and inputs != outputs:
        weights["residual.weight"] = -numbers(outputs, inputs)
    return "Dense", {"in_features": inputs, "out_features": outputs, "bias": bias, **config}, weights


def layer_norm(size):
    """Return a LayerNorm module: its kind, its config and its weights."""
    return "LayerNorm", {"dimension": size}, {"norm.weight": numbers(size), "norm.bias": numbers(size)}


NORMALIZE = ("Normalize", None, {})
DROPOUT = ("Dropout", {"dropout": 0.5}, {})
PROMPTS = {"prompts": {"query": "hello my: ", "passage": "good "}, "default_prompt_name": "query"}
# name -> arguments of `write_recipe`
CASES = {
    "cls": {"pooling": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}},
    "max": {"pooling": {"pooling_mode": "max"}},
    "sqrt": {"pooling": {"pooling_mode_mean_sqrt_len_tokens": True}},
    "weighted": {"pooling": WEIGHTED},
    "last": {"pooling": {"pooling_mode": "lasttoken"}, "after": [NORMALIZE]},
    "flags": {"pooling": MEAN | {"pooling_mode_cls_token": True, "pooling_mode_lasttoken": True}},
    "list": {"pooling": {"pooling_mode": ["max", "cls"]}, "after": [NORMALIZE]},
    "length": {"pooling": MEAN, "transformer": {"max_seq_length": 7, "do_lower_case": False}},
    "dense": {"pooling": MEAN, "after": [dense(32, 24), NORMALIZE]},
    "gelu": {"pooling": MEAN, "after": [dense(32, 8, activation_function="torch.nn.modules.activation.GELU")]},
    "residual": {
        "pooling": MEAN,
        "after": [
            dense(32, 16, bias=False, use_residual=True, activation_function="torch.nn.modules.linear.Identity"),
            dense(16, 16, use_residual=True),
        ],
    },
    "layers": {"pooling": MEAN, "after": [NORMALIZE, layer_norm(32), DROPOUT, dense(32, 32)]},
    "truncated": {"pooling": MEAN, "after": [NORMALIZE], "settings": {"truncate_dim": 8}},
    "prompt": {"pooling": MEAN, "settings": PROMPTS},
    "prompt left out": {"pooling": WEIGHTED | {"include_prompt": False}, "settings": PROMPTS},
    "prompt before cls": {"pooling": {"pooling_mode": ["cls", "mean"], "include_prompt": False}, "settings": PROMPTS},
}


def write_recipe(folder, pooling=None, after=(), transformer=None, settings=None):
    """Write a recipe into a model's folder.

    Parameters
    ----------
    folder
        The model's folder; a copy of BASE if it does not exist.
    pooling, transformer, settings
        Content of 1_Pooling/config.json, sentence_bert_config.json and config_sentence_transformers.json.
    after
        Kind, config and weights of each module after the pooling.
    """
    if not folder.exists():
        shutil.copytree(BASE, folder)
    pooling = {"word_embedding_dimension": 32} | (pooling or {})
    modules = [("Transformer", None, {}), ("Pooling", pooling, {}), *after]
    entries = []
    for number, (kind, config, weights) in enumerate(modules):
        path = f"{number}_{kind}" if number else ""
        entries.append(
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        )
        if config is not None:
            (folder / path).mkdir(exist_ok=True)
            (folder / path / "config.json").write_text(json.dumps(config))
        if weights:
            save_file(weights, folder / path / "model.safetensors")
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 40} | (transformer or {})))
    if settings:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


def pooled(name, states, skipped=0):
    """Return the pooled states, (tokens, hidden), of one text without its first `skipped` tokens: (hidden,)."""
    weights = np.arange(1, len(states) + 1)[skipped:, None]
    states = states[skipped:]
    return {
        "cls": lambda: states[0],
        "last": lambda: states[-1],
        "max": lambda: states.max(0),
        "mean": lambda: states.mean(0),
        "mean_sqrt_len": lambda: states.sum(0) / len(states) ** 0.5,
        "weighted_mean": lambda: (states * weights).sum(0) / weights.sum(),
    }[name]()


def unit(vectors):
    """Return vectors with Euclidean length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def vectors(folder, texts, pooling="mean", max_length=40, skipped=0):
    """Return the pooled vectors of texts, each computed alone with transformers: float32, (n_texts, hidden)."""
    states = [transformers_oracle.token_states(folder, text, max_length) for text in texts]
    return np.stack([pooled(pooling, one, skipped) for one in states])
