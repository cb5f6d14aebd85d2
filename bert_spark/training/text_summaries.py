"""The summaries that jobs/train.py, jobs/search.py and jobs/score.py print. They hold no text of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bert_spark.training.splits import HELD_OUT_SPLITS, SPLITS

if TYPE_CHECKING:
    from bert_spark.training.grid_search import Candidate


def training_summary(figures: Mapping[str, Any], facts: Mapping[str, Any], folder: str) -> str:
    """Return the summary of a training run.

    It holds warnings, classification reports of the held-out splits, the metrics of all splits next to the baselines,
    seconds by step, and where the artefact is.
    """
    lines = [f"warning: {warning}" for warning in facts["warnings"]]
    for name in HELD_OUT_SPLITS:
        lines += [
            f"\n{name}: {figures[name]['rows']:,} rows that share no text with the training rows",
            figures[name]["text"],
        ]
    lines.append(f"{'':12}{'accuracy':>10}{'weighted F1':>13}{'TF-IDF F1':>11}{'majority class':>16}")
    for name in SPLITS:
        model, majority, baseline = figures[name], figures[f"{name}_majority"], figures.get(f"{name}_tfidf")
        tfidf = f"{baseline['f1_weighted']:.3f}" if baseline else ""
        lines.append(
            f"{name:12}{model['accuracy']:>10.3f}{model['f1_weighted']:>13.3f}{tfidf:>11}{majority['accuracy']:>16.3f}"
        )
    seconds = ", ".join(f"{name.replace('_', ' ')} {value} s" for name, value in facts["timings"].items())
    return "\n".join([*lines, seconds, f"artefact: {folder}", f"report:   {folder.rstrip('/')}/report.html"])


def comparison_lines(truth: Mapping[str, Any]) -> list[str]:
    """Return what is said of predicted labels beside those that the rows have: see `evaluate_counts`.

    Parameters
    ----------
    truth
        The metrics, with "column" and the numbers of rows that "without_label", "without_prediction", "of_no_class"
        count.
    """
    left_out = f"{truth['without_label']:,} without one, {truth['without_prediction']:,} without a prediction"
    lines = [f"{truth['rows']:,} rows with a label in column {truth['column']!r} ({left_out} are left out)"]
    if truth["of_no_class"]:
        lines.append(f"{truth['of_no_class']:,} of them have a label that is no class of the artefact: they are wrong")
    if truth["rows"]:
        lines += [
            truth["text"].rstrip(),
            f"accuracy {truth['accuracy']:.3f}, weighted F1 {truth['f1_weighted']:.3f}, macro F1 "
            f"{truth['f1_macro']:.3f}; always the most frequent class: accuracy {truth['majority_accuracy']:.3f}",
        ]
    return lines


def search_summary(candidates: Sequence[Candidate], figures: Mapping[str, Any], folder: str) -> str:
    """Return the summary of a search: the grid, best candidate first, and the metrics of the best one on each split."""
    lines = [f"{'features':12}{'pooling':12}{'C':>8}  {'class_weight':14}{'weighted F1':>12}{'accuracy':>10}"]
    lines += [
        f"{one.features:12}{one.pooling:12}{one.C:>8}  {one.class_weight:14}"
        f"{one.f1_weighted:>12.4f}{one.accuracy:>10.4f}"
        for one in candidates
    ]
    lines.append("\nthe best candidate, fitted on all training rows:")
    for name in SPLITS:
        model, majority = figures[name], figures[f"{name}_majority"]
        lines.append(
            f"{name:12} weighted F1 {model['f1_weighted']:.4f}, accuracy {model['accuracy']:.4f} "
            f"(most frequent class {majority['accuracy']:.4f})"
        )
    next_step = f"next:   jobs/train.py --config {folder.rstrip('/')}/best.toml --output artefact"
    return "\n".join([*lines, f"search: {folder}", next_step])
