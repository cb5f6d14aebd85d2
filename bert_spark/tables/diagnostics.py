"""The diagnostic columns of an embedding: which exist, and under which names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bert_spark.errors import ConfigError
from bert_spark.tables.schema import HIDDEN_PREFIX

DIAGNOSTICS = ("token_count", "truncated", "unknown_share")
COUNTED_DIAGNOSTICS = (*DIAGNOSTICS, "reused")


def diagnostic_columns(diagnostics: Collection[str]) -> dict[str, str]:
    """Return diagnostic -> column name, from such a mapping or from plain names.

    Raises
    ------
    ConfigError
        For a diagnostic that does not exist.
    """
    unknown = sorted(set(diagnostics) - set(COUNTED_DIAGNOSTICS))
    if unknown:
        raise ConfigError(f"diagnostics {unknown} are unknown; known are {list(COUNTED_DIAGNOSTICS)}")
    return dict(diagnostics) if isinstance(diagnostics, Mapping) else {name: name for name in diagnostics}


def counted_diagnostics(*, shown: bool) -> dict[str, str]:
    """Return all diagnostics for a job to count, under their own names where they are `shown`, else under ours."""
    return {name: name if shown and name in DIAGNOSTICS else f"{HIDDEN_PREFIX}{name}" for name in COUNTED_DIAGNOSTICS}
