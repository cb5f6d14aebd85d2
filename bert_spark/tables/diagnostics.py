"""The diagnostic columns of an embedding: which exist, and under which names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bert_spark.errors import ConfigError
from bert_spark.tables.schema import HIDDEN_PREFIX

DIAGNOSTICS = ("token_count", "truncated", "unknown_share")
COUNTED_DIAGNOSTICS = (*DIAGNOSTICS, "reused")


def diagnostic_columns(diagnostics: Collection[str]) -> dict[str, str]:
    """Return a mapping from diagnostic to column name.

    Parameters
    ----------
    diagnostics
        Such a mapping, or plain names, which are then the column names too.

    Raises
    ------
    ConfigError
        If a diagnostic does not exist.
    """
    unknown = sorted(set(diagnostics) - set(COUNTED_DIAGNOSTICS))
    if unknown:
        raise ConfigError(f"diagnostics {unknown} are unknown; known are {list(COUNTED_DIAGNOSTICS)}")
    return dict(diagnostics) if isinstance(diagnostics, Mapping) else {name: name for name in diagnostics}


def counted_diagnostics(*, shown: bool) -> dict[str, str]:
    """Return the column name of each diagnostic that a job counts.

    Parameters
    ----------
    shown
        Whether the output shows the DIAGNOSTICS under their own names. All others are hidden columns, which are counted
        and then dropped.
    """
    return {name: name if shown and name in DIAGNOSTICS else f"{HIDDEN_PREFIX}{name}" for name in COUNTED_DIAGNOSTICS}
