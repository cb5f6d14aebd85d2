"""Is a result fit to be published? Shares of its rows, and how far its labels are from those of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bert_spark.errors import ConfigError
from bert_spark.runs.config import LimitsConfig


def limit_violations(record: Mapping[str, Any], limits: LimitsConfig) -> list[str]:
    """Return what is outside the limits, as sentences; none where the result is fit to be published.

    Parameters
    ----------
    record
        A run's counts: "rows_in", "rows_out", "rows_missing", "rows_malformed", "rows_failed"; "label_shift" where
        it is known.
    limits
        What they may be.
    """
    rows = record["rows_out"]
    found = []
    if record["rows_in"] != rows:
        found.append(f"{record['rows_in']:,} records went in and {rows:,} rows came out")
    wrong = record["rows_malformed"] + record["rows_failed"]
    shares = {
        "max_missing_share": ("rows without a text", record["rows_missing"] / max(1, rows)),
        "max_error_share": ("malformed or failed rows", wrong / max(1, rows)),
        "max_label_shift": ("distance of the labels to the training rows'", record.get("label_shift")),
    }
    for name, (what, share) in shares.items():
        limit = getattr(limits, name)
        if limit is not None and share is None and rows:
            found.append(f"no row has a label, so that {name} can't be judged")
        elif limit is not None and share is not None and share > limit:
            found.append(f"{what}: {share:.2%} where {name} allows {limit:.2%}")
    return found


def label_shift(labels: Mapping[str, int], trained: Mapping[str, float]) -> float | None:
    """Return the total variation distance between two distributions of labels, 0 (the same) to 1; None without labels.

    It is half the sum of the absolute differences of the shares (Levin and Peres, Markov Chains and Mixing Times,
    proposition 4.2).

    Parameters
    ----------
    labels
        Label -> rows.
    trained
        Label -> share of the training rows.
    """
    rows = sum(labels.values())
    if not rows or not trained:
        return None
    return sum(abs(labels.get(k, 0) / rows - trained.get(k, 0.0)) for k in {*labels, *trained}) / 2


def check_label_shift_known(limits: LimitsConfig, trained: Mapping[str, float]) -> None:
    """Raise ConfigError when a limit is set that nothing can be compared with."""
    if limits.max_label_shift is not None and not trained:
        raise ConfigError(
            f"max_label_shift={limits.max_label_shift} needs the labels of the training rows, which this run does not "
            "have: set it for jobs/score.py, with an artefact that jobs/train.py of this version wrote"
        )
