"""Load a BERT into plain torch modules, without transformers' model classes.

Importing those takes more CPU than torch itself, since they bring torch.distributed, torch._dynamo, sympy and
scipy. The modules have the names of transformers' BertModel, and `BertForward` runs them. Any model that is not exactly
a BERT as published is left to transformers.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from bert_spark.encoding.model_files import weight_files

_PREFIX = "bert."  # of the weights of a BERT that was saved with a head
_SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("max_position_embeddings", "type_vocab_size"),
)
# What the modules below compute. A setting that is absent has this value in transformers as well.
_EXPECTED = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "quantization_config": None,
    "auto_map": None,
}


class _Linear(nn.Linear):
    """A linear layer without the random start, which its weights replace.

    torch's own way to leave it out, the device "meta", imports torch._dynamo.
    """

    def reset_parameters(self) -> None:
        """Leave the weights as they are in memory."""


class _Embedding(nn.Embedding):
    """A table without the random start, which its weights replace."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are in memory."""


class PlainBert(nn.Module):
    """The modules of a BERT under the names that they have in transformers. Their weights are loaded afterwards.

    Parameters
    ----------
    config
        The content of config.json.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = SimpleNamespace(**{"is_encoder_decoder": False, "is_decoder": False, **config})
        self.embeddings = _Embeddings(config)
        self.encoder: Any = nn.Module()
        self.encoder.layer = nn.ModuleList(_layer(config) for _ in range(config["num_hidden_layers"]))
        self.pooler = _Pooler(config)

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the table of the tokens."""
        return self.embeddings.word_embeddings


class _Embeddings(nn.Module):
    """Sum of the embeddings of token, position and segment 0, normalised: (batch, tokens, hidden)."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        hidden = config["hidden_size"]
        self.word_embeddings = _Embedding(config["vocab_size"], hidden)
        self.position_embeddings = _Embedding(config["max_position_embeddings"], hidden)
        self.token_type_embeddings = _Embedding(config["type_vocab_size"], hidden)
        self.LayerNorm = _norm(config)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        tokens = self.word_embeddings(input_ids) + self.token_type_embeddings(torch.zeros_like(input_ids))
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        normalised: torch.Tensor = self.LayerNorm(tokens + self.position_embeddings(positions))
        return normalised


class _Pooler(nn.Module):
    """A linear layer and tanh over the first token's state: (batch, tokens, hidden) -> (batch, hidden)."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.dense = _Linear(config["hidden_size"], config["hidden_size"])

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.dense(states[:, 0]))


def _norm(config: dict[str, Any]) -> nn.LayerNorm:
    return nn.LayerNorm(config["hidden_size"], eps=config.get("layer_norm_eps", 1e-12))


def _layer(config: dict[str, Any]) -> Any:
    """Return the modules of one layer, which `BertForward` calls one by one."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    layer: Any = nn.Module()
    layer.attention, layer.intermediate, layer.output = nn.Module(), nn.Module(), nn.Module()
    layer.attention.self, layer.attention.output = nn.Module(), nn.Module()
    for name in ("query", "key", "value"):
        setattr(layer.attention.self, name, _Linear(hidden, hidden))
    layer.attention.self.attention_head_size = hidden // config["num_attention_heads"]
    layer.attention.output.dense, layer.attention.output.LayerNorm = _Linear(hidden, hidden), _norm(config)
    layer.intermediate.dense, layer.intermediate.intermediate_act_fn = _Linear(hidden, inner), nn.GELU()
    layer.output.dense, layer.output.LayerNorm = _Linear(inner, hidden), _norm(config)
    return layer


def load_plain_bert(folder: Path) -> PlainBert | None:
    """Return the BERT of a model's folder with float32 weights; None if it is not one as published.

    The weights stay in the mapped file, which workers on one machine share, unless it holds another type.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    is_bert = config.get("model_type") == "bert" and all(isinstance(config.get(name), int) for name in _SIZES)
    changed = [name for name, value in _EXPECTED.items() if config.get(name, value) != value]
    if not is_bert or changed or (folder / "adapter_config.json").exists():
        return None
    model = PlainBert(config)
    weights = _weights(folder)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items() if name in expected} != expected:
        return None
    model.load_state_dict({name: weights[name].float() for name in expected}, assign=True)
    return model


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a model's folder by name, without the prefix of a BERT that was saved with a head."""
    found = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():
                found[name.removeprefix(_PREFIX)] = file.get_tensor(name)
    return found
