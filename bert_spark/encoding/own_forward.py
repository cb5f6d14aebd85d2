"""Call a model's own forward pass with what its tokenizer gives: ids, mask, and token types where they matter."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class TokenTypes:
    """Token types of a text, as its tokenizer gives them: of the special tokens before it, of its own, and after it."""

    before: tuple[int, ...]
    of_text: int
    after: tuple[int, ...]

    def of_batch(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the types of a batch with padding on the right: int64, (batch, tokens)."""
        lengths = mask.sum(dim=1, keepdim=True)
        positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        types = torch.full_like(mask, self.of_text)
        for number, kind in enumerate(self.before):
            types = torch.where(positions == number, kind, types)
        for number, kind in enumerate(reversed(self.after), start=1):
            types = torch.where(positions == lengths - number, kind, types)
        return types


class OwnForward:
    """A model's own forward pass over ids and mask.

    Parameters
    ----------
    model
        A model of transformers, or one with the same interface.
    types
        Token types to pass; None passes none, which most models read as zeros.
    """

    def __init__(self, model: Any, types: TokenTypes | None = None) -> None:
        self.model = model
        self.types = types
        parameters = inspect.signature(model.forward).parameters.values()
        takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        self._takes_mask = takes_any or any(parameter.name == "attention_mask" for parameter in parameters)
        self._sparse_from = sparse_attention_from(model)

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Return the model's output."""
        inputs = {"input_ids": input_ids}
        if self._takes_mask:
            inputs["attention_mask"] = attention_mask
        if self.types is not None:
            inputs["token_type_ids"] = self.types.of_batch(attention_mask)
        if self._sparse_from is not None and input_ids.shape[1] >= self._sparse_from:
            self.model.set_attention_type("block_sparse")  # after a short batch it has full attention for good
        return self.model(**inputs)


def token_types(tokenizer: Any, prefix: int, suffix: int) -> TokenTypes | None:
    """Return the token types that a tokenizer gives, with `prefix` special tokens before a text and `suffix` after it.

    None if it gives none.
    """
    types = list(tokenizer("a", add_special_tokens=True).get("token_type_ids") or [])
    if len(types) <= prefix + suffix:
        return None
    end = len(types) - suffix
    return TokenTypes(tuple(types[:prefix]), types[prefix], tuple(types[end:]))


def sparse_attention_from(model: Any) -> int | None:
    """Return the tokens from which on a BigBird's attention skips tokens, by its number of blocks; None for others."""
    config = getattr(model, "config", None)
    if config is None or getattr(config, "attention_type", None) != "block_sparse":
        return None
    return int((5 + 2 * config.num_random_blocks) * config.block_size) + 1
