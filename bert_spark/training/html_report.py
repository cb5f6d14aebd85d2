"""Render what a reader of an artefact opens: report.html, one self-contained page, and README.md, the model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from bert_spark.training.charts import confusion_matrix_svg, precision_recall_svg
from bert_spark.training.splits import HELD_OUT_SPLITS, SPLITS

OVERFITTING_GAP = 0.1  # the report warns if weighted F1 is this much higher on training rows than on test rows
# key suffix in the metrics -> name in the tables
_MODELS = {"": "this model", "_tfidf": "TF-IDF + the same head", "_majority": "always the most frequent class"}


def render_report(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return report.html.

    Parameters
    ----------
    figures
        Metrics by split, as `evaluate_splits` returns them.
    facts
        "about" (features, head, model, fingerprint), "split", "counts", "warnings", "timings", "created", "pairs"
        (confused pairs by held-out split), "encoder" (settings) and "versions".
    """
    pictures = {name: _pictures(figures[name]) for name in HELD_OUT_SPLITS}
    return _template("report.html").render(**_context(figures, facts), pictures=pictures)


def model_card(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return README.md of an artefact: its purpose, its metrics, its limits, and how it was made.

    The parameters are those of `render_report`.
    """
    return _template("model_card.md").render(**_context(figures, facts))


def _context(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that both templates use."""
    table = [
        (name, [figures[split + suffix] for split in SPLITS])
        for suffix, name in _MODELS.items()
        if f"test{suffix}" in figures
    ]
    gap = figures["train"]["f1_weighted"] - figures["test"]["f1_weighted"]
    return {
        "figures": figures,
        "facts": facts,
        "table": table,
        "gap": gap,
        "over_fitted": gap > OVERFITTING_GAP,
        "held_out": HELD_OUT_SPLITS,
    }


def _pictures(figures: Mapping[str, Any]) -> dict[str, Markup]:
    labels = figures["labels"]
    bars = precision_recall_svg(figures["by_class"], labels)
    return {"confusion": Markup(confusion_matrix_svg(figures["confusion"], labels)), "bars": Markup(bars)}


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("bert_spark.training"),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    environment.filters["score"] = lambda value: f"{value:.3f}"
    return environment.get_template(name)
