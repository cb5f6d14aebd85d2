"""Pool a model's output into one vector per text. Knows nothing of texts.

Every pooling takes the output and the attention mask, both on the device, and returns a tensor on the device. To add
one, write its function and enter it in POOLINGS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch


Pooling = Callable[[Any, "torch.Tensor"], "torch.Tensor"]


def cls(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the first token in the last layer: (batch, tokens, hidden) -> (batch, hidden)."""
    state: torch.Tensor = output[0][:, 0, :]
    return state


def mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the last layer's states over real tokens: (batch, tokens, hidden) -> (batch, hidden).

    Special tokens count, padding does not. This is the mean pooling of Reimers & Gurevych, "Sentence-BERT", 2019,
    section 3. The sum is computed in float32, since bfloat16 cannot count beyond 256.
    """
    states: torch.Tensor = output[0].float()
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def max(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the largest value of each coordinate over real tokens: (batch, tokens, hidden) -> (batch, hidden)."""
    states: torch.Tensor = output[0]
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)


def pooler(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the model's own pooled output: (batch, hidden). BERT applies a linear layer and tanh to the CLS state."""
    pooled: torch.Tensor | None = getattr(output, "pooler_output", None)
    if pooled is None:
        raise ModelError("pooling 'pooler' needs a model with a pooled output; this one has none: use pooling 'cls'")
    return pooled


def flatten(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return all token states in a row, padding as zeros: (batch, tokens, hidden) -> (batch, tokens * hidden).

    The encoder pads these batches to max_length, so every row has max_length * hidden numbers.
    """
    states: torch.Tensor = output[0]
    return (states * mask.unsqueeze(-1).to(states.dtype)).flatten(start_dim=1)


POOLINGS: dict[str, Pooling] = {"cls": cls, "mean": mean, "max": max, "pooler": pooler, "flatten": flatten}


def pooling_function(name: str) -> Pooling:
    """Return the pooling function called `name`. "cls+mean" puts the vectors of several poolings side by side.

    Raises
    ------
    ConfigError
        If a name is unknown, or the poolings cannot be joined.
    """
    parts = pooling_parts(name)
    unknown = [part for part in parts if part not in POOLINGS]
    if unknown:
        raise ConfigError(f"pooling {name!r} is unknown; known are {sorted(POOLINGS)}; or pass embedding_func=")
    if len(parts) == 1:
        return POOLINGS[name]
    if "flatten" in parts or len(set(parts)) < len(parts):
        raise ConfigError(f"pooling {name!r} cannot be joined; use different poolings, none of them flatten")
    return functools.partial(_side_by_side, [POOLINGS[part] for part in parts])


def pooling_parts(name: str) -> list[str]:
    """Return the names of the poolings that `name` joins, in the order of their columns."""
    return name.split("+")


def _side_by_side(poolings: list[Pooling], output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the vectors of all poolings side by side: (batch, tokens, hidden) -> (batch, len(poolings) * hidden)."""
    import torch

    return torch.cat([pooling(output, mask).float() for pooling in poolings], dim=1)
