"""The reasons in the error column of rows that have no vector."""

from __future__ import annotations

MISSING_TEXT = "missing text"
MALFORMED_ROW = "malformed row"
MISSING_VECTOR = "missing vector"  # in a column of vectors that were computed before
NO_TOKENS = "no token to read"  # "" for a tokenizer that adds no special tokens
NOT_FINITE = "vector is not finite"
OUT_OF_MEMORY = "out of memory for this text alone"
