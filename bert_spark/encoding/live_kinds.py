"""Tell what a live object of the user's is, by the names of its classes: no library is imported for that."""

from __future__ import annotations

from typing import Any


def is_sentence_transformer(model: Any) -> bool:
    """Tell whether a live object is a SentenceTransformer. It brings its own tokenizer and its own recipe."""
    return any(
        kind.__name__ == "SentenceTransformer" and kind.__module__.startswith("sentence_transformers.")
        for kind in type(model).__mro__
    )
