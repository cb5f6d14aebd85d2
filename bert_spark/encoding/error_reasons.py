"""The reasons that a row without a vector gets in the error column."""

from __future__ import annotations

MISSING_TEXT = "missing text"
MALFORMED_ROW = "malformed row"
NOT_FINITE = "vector is not finite"
OUT_OF_MEMORY = "out of memory for this text alone"
