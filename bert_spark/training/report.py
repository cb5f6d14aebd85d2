"""What an artefact tells its reader: report.html, one self-contained page, and README.md, the model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bert_spark.training.charts import confusion_matrix_svg, precision_recall_svg

HELD_OUT = ("validation", "test")
OVERFITTING_GAP = 0.1  # of weighted F1 between training and test rows, from which the report warns of over-fitting


def render_report(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return report.html.

    Parameters
    ----------
    figures
        What `training.judge` gives.
    facts
        "about" (features, head, model, fingerprint), "split", "counts", "warnings", "timings", "pairs" (by held-out
        split), "encoder" (settings) and "versions".
    """
    pictures = {name: _pictures(figures[name]) for name in HELD_OUT}
    return str(_template("report.html").render(**_context(figures, facts), pictures=pictures))


def model_card(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return README.md of an artefact: what it is for, how it was made, what it gets wrong."""
    return str(_template("model_card.md").render(**_context(figures, facts)))


def _context(figures: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [("", "this model"), ("_tfidf", "TF-IDF + the same head"), ("_majority", "always the most frequent class")]
    rows = [
        (name, [figures[split + kind] for split in ("train", *HELD_OUT)]) for kind, name in kinds if _has(figures, kind)
    ]
    gap = figures["train"]["f1_weighted"] - figures["test"]["f1_weighted"]
    return {
        "figures": figures,
        "facts": facts,
        "table": rows,
        "gap": gap,
        "over_fitted": gap > OVERFITTING_GAP,
        "held_out": HELD_OUT,
    }


def _has(figures: Mapping[str, Any], kind: str) -> bool:
    return f"test{kind}" in figures


def _pictures(figures: Mapping[str, Any]) -> dict[str, Markup]:
    labels = figures["labels"]
    bars = precision_recall_svg(figures["by_class"], labels)
    return {"confusion": Markup(confusion_matrix_svg(figures["confusion"], labels)), "bars": Markup(bars)}


def _template(name: str) -> Any:
    loader = PackageLoader("bert_spark.training")
    escape = name.endswith(".html")
    found = Environment(
        loader=loader, autoescape=escape, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["number"] = lambda value: f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    found.filters["score"] = lambda value: f"{value:.3f}"
    return found.get_template(name)
