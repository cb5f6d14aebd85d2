"""From a model's output to one vector a text. Every function here takes the output and the attention mask, both
on the device, and gives back a tensor on the device. Knows nothing of texts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch


Pooling = Callable[[Any, "torch.Tensor"], "torch.Tensor"]


def cls(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """State of the first token in the last layer: (batch, tokens, hidden) -> (batch, hidden)."""
    state: torch.Tensor = output[0][:, 0, :]
    return state


def mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the last layer's states over real tokens, special ones too: (batch, tokens, hidden) -> (batch, hidden).

    The mean pooling of Reimers & Gurevych, "Sentence-BERT", 2019, section 3; summed in float32, since bfloat16 counts
    no further than 256.
    """
    states: torch.Tensor = output[0].float()
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def max(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Largest value of each coordinate over real tokens: (batch, tokens, hidden) -> (batch, hidden)."""
    states: torch.Tensor = output[0]
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)


def pooler(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Pooled output of the model itself (BERT: linear layer and tanh over the CLS state): (batch, hidden)."""
    pooled: torch.Tensor | None = getattr(output, "pooler_output", None)
    if pooled is None:
        raise ModelError("pooling 'pooler' needs a model with a pooled output; this one has none: use pooling 'cls'")
    return pooled


def flatten(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """All token states in a row, padding as zeros: (batch, tokens, hidden) -> (batch, tokens * hidden).

    The encoder pads these batches to max_length, so that every row has max_length * hidden numbers.
    """
    states: torch.Tensor = output[0]
    return (states * mask.unsqueeze(-1).to(states.dtype)).flatten(start_dim=1)


POOLINGS: dict[str, Pooling] = {"cls": cls, "mean": mean, "max": max, "pooler": pooler, "flatten": flatten}


def pooling_function(name: str) -> Pooling:
    """Return the pooling function called `name`; "cls+mean" puts the numbers of several side by side.

    Raises
    ------
    ConfigError
        When there is none; the message lists the known ones.
    """
    parts = pooling_parts(name)
    unknown = [part for part in parts if part not in POOLINGS]
    if unknown:
        raise ConfigError(f"pooling {name!r} is unknown; known are {sorted(POOLINGS)}; or pass embedding_func=")
    if len(parts) == 1:
        return POOLINGS[name]
    if "flatten" in parts or len(set(parts)) < len(parts):
        raise ConfigError(f"pooling {name!r} can't be put together; join different ones, none of them flatten")
    return functools.partial(_side_by_side, [POOLINGS[part] for part in parts])


def pooling_parts(name: str) -> list[str]:
    """Return the poolings that `name` joins, in the order of their numbers."""
    return name.split("+")


def _side_by_side(poolings: list[Pooling], output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Each pooling's vector after the other: (batch, tokens, hidden) -> (batch, len(poolings) * hidden)."""
    import torch

    return torch.cat([pooling(output, mask).float() for pooling in poolings], dim=1)
