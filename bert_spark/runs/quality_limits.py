"""Decide whether a result may be published, by shares of its rows and by the distance of its labels.

Reads counts only; publishes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bert_spark.errors import ConfigError
from bert_spark.runs.config import LimitsConfig


def limit_violations(record: Mapping[str, Any], limits: LimitsConfig) -> list[str]:
    """Return what is outside the limits, one phrase each; an empty list if the result may be published.

    Parameters
    ----------
    record
        A run's counts: "rows_in", "rows_out", "rows_missing", "rows_malformed", "rows_failed"; "label_shift" if it is
        known; "rows_without_date" and "rows_read" if the records of a day were selected by their date; "rows_removed"
        and "rows_before" if an output is kept in step with its input.
    limits
        The limits.
    """
    rows = record["rows_out"]
    violations = []
    if rows_differ(record):
        violations.append(f"{record['rows_in']:,} records went in and {rows:,} rows came out")
    wrong = record["rows_malformed"] + record["rows_failed"]
    measured = {
        "max_missing_share": ("rows without a text", record["rows_missing"] / max(1, rows)),
        "max_error_share": ("malformed or failed rows", wrong / max(1, rows)),
        "max_undated_share": ("records without a date that --date-format reads", _undated_share(record)),
        "max_removed_share": ("rows that the input no longer has", removed_share(record)),
        "max_label_shift": ("distance between the labels and those of the training rows", record.get("label_shift")),
    }
    for name, (description, share) in measured.items():
        limit = getattr(limits, name)
        if name == "max_label_shift" and limit is not None and share is None and rows:
            violations.append(f"no row has a label, so {name} cannot be checked")
        elif limit is not None and share is not None and share > limit:
            violations.append(f"{description}: {share:.2%}, {name} allows {limit:.2%}")
    return violations


def _undated_share(record: Mapping[str, Any]) -> float | None:
    """Return the share of the records that were read and have no readable date; None if no date was read.

    It counts as 1 for a day without any row: those records may be all rows of the day.
    """
    undated = record.get("rows_without_date")
    if not undated:
        return None
    return float(undated / max(1, record["rows_read"])) if record["rows_out"] else 1.0


def removed_share(record: Mapping[str, Any]) -> float | None:
    """Return the share of an output's rows that a run with --sync would remove; None for other runs."""
    return record["rows_removed"] / max(1, record["rows_before"]) if "rows_removed" in record else None


def rows_differ(record: Mapping[str, Any]) -> bool:
    """Tell whether the numbers of records in and rows out differ: no limit makes such rows fit to publish."""
    return bool(record["rows_in"] != record["rows_out"])


def label_shift(labels: Mapping[str, int], trained: Mapping[str, float]) -> float | None:
    """Return the total variation distance between two distributions of labels, 0 (equal) to 1; None without labels.

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


def with_label_shift(record: Mapping[str, Any], trained: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return a record with "label_shift", see `label_shift`: that of several artefacts is the largest one of them.

    Parameters
    ----------
    record
        A run's record.
    trained
        Name of an artefact -> label -> share of its training rows. One artefact alone has the name "".
    """
    if "by_artefact" not in record:
        return {**record, "label_shift": label_shift(record.get("labels", {}), trained.get("", {}))}
    by_artefact = {
        name: {**part, "label_shift": label_shift(part["labels"], trained.get(name, {}))}
        for name, part in record["by_artefact"].items()
    }
    shifts = [part["label_shift"] for part in by_artefact.values()]
    largest = None if None in shifts else max(shifts)  # None: one of them is unknown
    return {**record, "by_artefact": by_artefact, "label_shift": largest}


def check_label_shift_known(limits: LimitsConfig, trained: Mapping[str, Mapping[str, float]]) -> None:
    """Raise ConfigError if `max_label_shift` is set and the labels of the training rows are unknown."""
    if limits.max_label_shift is not None and not (trained and all(trained.values())):
        raise ConfigError(
            f"max_label_shift={limits.max_label_shift} needs the labels of the training rows, which this run does not "
            "have; use it with jobs/score.py and an artefact that this version's jobs/train.py wrote"
        )
