"""Pool a model's output into one vector per text. Knows nothing of texts.

Every pooling takes the output and the attention mask, both on the device, and returns a tensor on the device. Padding
is on the right. To add one, write its function and enter it in POOLINGS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch


Pooling = Callable[[Any, "torch.Tensor"], "torch.Tensor"]
MODEL_POOLING = "model"  # the recipe in the model's own folder, see `bert_spark.encoding.model_recipe`
_NO_TOKEN = 1e-9  # divisor of a sum over no token at all: the vector is then 0, as in sentence-transformers


def cls(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the first token in the last layer: (batch, tokens, hidden) -> (batch, hidden)."""
    state: torch.Tensor = output[0][:, 0, :]
    return state


def mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the last layer's states over real tokens: (batch, tokens, hidden) -> (batch, hidden).

    Special tokens count, padding does not. This is the mean pooling of Reimers & Gurevych, "Sentence-BERT", 2019,
    section 3. The sum is computed in float32, since bfloat16 cannot count beyond 256.
    """
    return _sum(output, mask) / _count(mask)


def mean_sqrt_len(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the sum of the states over real tokens, divided by the square root of their number: (batch, hidden)."""
    return _sum(output, mask) / _count(mask).sqrt()


def weighted_mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean of the states with the weights 1, 2, 3, ... from the first token on: (batch, hidden).

    Later tokens of a causal model have read more of the text (Muennighoff, "SGPT", 2022, section 3.1).
    """
    import torch

    weights = mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return _sum(output, weights) / _count(weights)


def max(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the largest value of each coordinate over real tokens: (batch, tokens, hidden) -> (batch, hidden)."""
    states: torch.Tensor = output[0]
    return states.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)


def last(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the last real token, 0 if there is none: (batch, tokens, hidden) -> (batch, hidden).

    The last token of a causal model is the one that has read the whole text.
    """
    import torch

    positions = mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)
    state = _state_at(positions.argmax(dim=1), output)
    return state * mask.amax(dim=1, keepdim=True).to(state.dtype)


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


POOLINGS: dict[str, Pooling] = {
    "cls": cls,
    "mean": mean,
    "max": max,
    "mean_sqrt_len": mean_sqrt_len,
    "weighted_mean": weighted_mean,
    "last": last,
    "pooler": pooler,
    "flatten": flatten,
}


def _sum(output: Any, weights: torch.Tensor) -> torch.Tensor:
    states: torch.Tensor = output[0].float()
    return (states * weights.unsqueeze(-1).to(states.dtype)).sum(dim=1)


def _count(weights: torch.Tensor) -> torch.Tensor:
    return weights.sum(dim=1, keepdim=True).float().clamp(min=_NO_TOKEN)


def _first_of_mask(output: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return the state of the first token in the mask, or of the first of all if the mask is empty: (batch, hidden)."""
    return _state_at(mask.argmax(dim=1), output)


def _state_at(index: torch.Tensor, output: Any) -> torch.Tensor:
    """Return one token state a row, by the token's number: (batch,) -> (batch, hidden)."""
    states: torch.Tensor = output[0]
    rows = index.view(-1, 1, 1).expand(-1, 1, states.shape[-1])
    return states.gather(1, rows).squeeze(1)


@dataclass(frozen=True)
class TokenPooling:
    """The poolings of an encoder, and the tokens that they leave out.

    Attributes
    ----------
    names
        Names of POOLINGS. The vectors of several poolings stand side by side.
    skipped_tokens
        Tokens at the start of every text, such as those of its prompt, that no pooling reads. The model reads them.
    """

    names: tuple[str, ...]
    skipped_tokens: int = 0

    @property
    def reads_first_token_only(self) -> bool:
        """Whether the states of all tokens but the first are left unread."""
        return set(self.names) <= {"cls", "pooler"} and not self.skipped_tokens

    def function(self) -> Pooling:
        """Return the function that pools a batch: (batch, tokens, hidden) -> (batch, len(names) * hidden)."""
        known = POOLINGS | ({"cls": _first_of_mask} if self.skipped_tokens else {})
        functions = [known[name] for name in self.names]
        pool = functions[0] if len(functions) == 1 else functools.partial(_side_by_side, functions)
        return functools.partial(_without_first, self.skipped_tokens, pool) if self.skipped_tokens else pool


def check_pooling(name: str) -> None:
    """Raise ConfigError if a name is unknown, or if its poolings cannot be joined."""
    parts = pooling_parts(name)
    unknown = [part for part in parts if part not in {*POOLINGS, MODEL_POOLING}]
    if unknown:
        known = sorted({*POOLINGS, MODEL_POOLING})
        raise ConfigError(f"pooling {name!r} is unknown; known are {known}; or pass embedding_func=")
    alone = {"flatten", MODEL_POOLING}
    if len(parts) > 1 and (alone & set(parts) or len(set(parts)) < len(parts)):
        raise ConfigError(f"pooling {name!r} cannot be joined; use different poolings, none of them flatten or model")


def pooling_parts(name: str) -> tuple[str, ...]:
    """Return the names of the poolings that `name` joins, in the order of their columns. "cls+mean" joins two."""
    return tuple(name.split("+"))


def _side_by_side(poolings: Sequence[Pooling], output: Any, mask: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([pooling(output, mask).float() for pooling in poolings], dim=1)


def _without_first(tokens: int, pool: Pooling, output: Any, mask: torch.Tensor) -> torch.Tensor:
    import torch

    return pool(output, mask * (torch.arange(mask.shape[1], device=mask.device) >= tokens))
