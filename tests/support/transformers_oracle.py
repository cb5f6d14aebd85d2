"""Compute what transformers' own forward pass gives. These are the expected values for the vectors of this package."""

import functools

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer


@functools.lru_cache(maxsize=8)
def load(folder):
    """Return the tokenizer and the model of a folder: float32, in eval mode, for reading only."""
    model = AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()
    return AutoTokenizer.from_pretrained(str(folder)), model


def forward(model, ids, mask=None):
    """Return a model's own output for token ids, int64, (batch, tokens)."""
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask)


def output_of_text(folder, text, max_length=60):
    """Return the model's output for one text alone, a batch of one row."""
    tokenizer, model = load(folder)
    # a DistilBERT of transformers 4 refuses token types
    tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt", return_token_type_ids=False)
    return forward(model, tokens["input_ids"], tokens["attention_mask"])


@functools.lru_cache(maxsize=10_000)
def token_states(folder, text, max_length=60):
    """Return the last hidden states of one text alone: float32, (tokens, hidden)."""
    return output_of_text(folder, text, max_length).last_hidden_state[0].numpy()


def cls_vectors(folder, texts, max_length=60):
    """Return the CLS vectors of texts, each computed alone: float32, (n_texts, hidden)."""
    return np.stack([token_states(folder, text, max_length)[0] for text in texts])


def cls_vector_of_tokens(folder, tokens):
    """Return the CLS vector of one text that consists of these tokens: float32, (hidden,)."""
    tokenizer, model = load(folder)
    ids = tokenizer.convert_tokens_to_ids([tokenizer.cls_token, *tokens, tokenizer.sep_token])
    return forward(model, torch.tensor([ids])).last_hidden_state[0, 0].numpy()
