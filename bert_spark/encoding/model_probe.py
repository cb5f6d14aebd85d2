"""Find out by tiny batches how a model must be run. Its name does not say it, and its version may change it.

BERT and its nearest relatives run through `BertForward`, which is known to be right. Every other model is probed when
it is loaded.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass

import torch

from bert_spark.encoding.model_loader import LoadedModel
from bert_spark.encoding.own_forward import OwnForward, TokenTypes, sparse_attention_from, token_types
from bert_spark.encoding.tokenization import TextTokenizer
from bert_spark.errors import ModelError

TOLERANCE = 1e-5  # of the largest number; float32 rounding stays below 1e-6 of it
LONG_TOKENS = 48  # of the text in the longer of two rows


@dataclass(frozen=True)
class ModelTraits:
    """How a model must be run.

    Attributes
    ----------
    types
        Token types that its states depend on; None if it needs none.
    depends_on_padding
        Whether a row's states change beside a longer row: the model ignores the attention mask, or parts of it.
    first_token_reads_text
        Whether the first token's state depends on the tokens after it. In a causal model it does not.
    """

    types: TokenTypes | None = None
    depends_on_padding: bool = False
    first_token_reads_text: bool = True


def is_probed(loaded: LoadedModel) -> bool:
    """Tell whether a model can be probed: it is one of transformers, or has the same base class."""
    return hasattr(loaded.model, "base_model_prefix")


def probe_model(loaded: LoadedModel, tokenizer: TextTokenizer) -> ModelTraits:
    """Run a model on rows of no to LONG_TOKENS tokens, in the type of its weights, and return what it needs.

    Raises
    ------
    ModelError
        If it can't compute the states of an empty text or of one word.
    """
    _check_short_texts(loaded, tokenizer)
    long_tokens = min(LONG_TOKENS, tokenizer.max_text_tokens)
    short, long = tokenizer.sample_window(1), tokenizer.sample_window(long_tokens)
    types = _types_that_matter(loaded, tokenizer, long)
    loaded = dataclasses.replace(loaded, types=types)
    alone = _states(loaded, tokenizer, [short])[0]
    beside = _states(loaded, tokenizer, [long, short])[1][: len(short)]
    sparse_from = sparse_attention_from(loaded.model)
    reads_text = True
    if len(long) > 2:
        other = [long[0], *tokenizer.sample_window(long_tokens, first=1)[1:]]
        states = _states(loaded, tokenizer, [long, other])
        reads_text = _differ(states[0][0], states[1][0])
    # sparse attention divides a row into blocks, and padding with it
    is_sparse = sparse_from is not None and sparse_from <= tokenizer.max_length
    return ModelTraits(types, is_sparse or _differ(alone, beside), reads_text)


def _check_short_texts(loaded: LoadedModel, tokenizer: TextTokenizer) -> None:
    for tokens, text in enumerate(("an empty text", "a text of one token")):
        window = tokenizer.sample_window(tokens)
        if not window:  # a tokenizer without special tokens: the model never sees an empty text
            continue
        try:
            _states(loaded, tokenizer, [window])
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as err:
            raise ModelError(
                f"a {type(loaded.model).__name__} can't compute the states of {text} ({type(err).__name__}: "
                f"{str(err).splitlines()[0]}); use another model"
            ) from err


def _types_that_matter(loaded: LoadedModel, tokenizer: TextTokenizer, window: list[int]) -> TokenTypes | None:
    types = token_types(tokenizer.tokenizer, len(tokenizer.prefix), len(tokenizer.suffix))
    if types is None or "token_type_ids" not in inspect.signature(loaded.model.forward).parameters:
        return None
    without, with_types = (
        _states(dataclasses.replace(loaded, types=kind), tokenizer, [window])[0] for kind in (None, types)
    )
    return types if _differ(without, with_types) else None


def _states(loaded: LoadedModel, tokenizer: TextTokenizer, windows: list[list[int]]) -> torch.Tensor:
    """Return the last layer's states of rows that are padded on the right: float32, (rows, tokens, hidden)."""
    longest = max(map(len, windows))
    ids = [[*window, *[tokenizer.pad_id] * (longest - len(window))] for window in windows]
    mask = [[1] * len(window) + [0] * (longest - len(window)) for window in windows]
    forward = OwnForward(loaded.model, loaded.types)
    with torch.inference_mode():
        output = forward(
            input_ids=torch.tensor(ids, device=loaded.device), attention_mask=torch.tensor(mask, device=loaded.device)
        )
    states: torch.Tensor = output[0].float()
    return states


def _differ(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Tell whether two tensors differ by more than rounding, or hold a number that is not finite."""
    return not bool((first - second).abs().max() <= TOLERANCE * first.abs().max())
