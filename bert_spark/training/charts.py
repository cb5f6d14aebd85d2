"""Draw the charts of the report as SVG text.

Lines and text take the colour of the page and cells are transparent: one chart fits dark, light and printed pages.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

_TEXT_COLOUR = "#010203"  # replaced by the page's text colour, "currentColor", in the SVG
_BLUE, _ORANGE = "#2f6fde", "#e08a1e"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bert_spark",
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _TEXT_COLOUR),
}
_TRANSPARENT_TO_BLUE = LinearSegmentedColormap.from_list("", [(0.184, 0.435, 0.871, alpha) for alpha in (0.0, 1.0)])


def confusion_matrix_svg(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Return a confusion matrix as a heat map.

    Parameters
    ----------
    matrix
        Counts, shape (n_classes, n_classes): rows are the truth, columns the prediction.
    labels
        The classes, in the order of rows and columns.

    Returns
    -------
    str
        SVG. Each cell holds its count and its share of the row; its shade is that share.
    """
    counts = np.asarray(matrix)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = 1.8 + 0.62 * len(labels)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(size, size * 0.92), layout="constrained")
        axes = figure.add_subplot()
        display = ConfusionMatrixDisplay(shares, display_labels=labels)
        display.plot(ax=axes, cmap=_TRANSPARENT_TO_BLUE, colorbar=False, im_kw={"vmin": 0, "vmax": 1})
        for cell, text in np.ndenumerate(display.text_):
            share = shares[cell]
            content = f"{counts[cell]:,}\n{share:.0%}" if counts[cell] else "0"
            text.set(text=content, fontsize=8.5, color="white" if share > 0.55 else _TEXT_COLOUR)
        axes.tick_params(axis="x", rotation=60)
        axes.set(xlabel="predicted", ylabel="true")
        return _to_svg(figure, "confusion matrix: " + ", ".join(labels))


def precision_recall_svg(by_class: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Return bars of precision and recall by class as SVG, the most frequent class on top.

    Parameters
    ----------
    by_class
        Metrics by class, as scikit-learn's ``classification_report(output_dict=True)`` returns them.
    labels
        The classes.
    """
    ordered = sorted(labels, key=lambda label: by_class[label]["support"])
    positions = np.arange(len(ordered))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6, 0.9 + 0.42 * len(ordered)), layout="constrained")
        axes = figure.add_subplot()
        for offset, name, colour in ((0.19, "precision", _BLUE), (-0.19, "recall", _ORANGE)):
            values = [by_class[label][name] for label in ordered]
            bars = axes.barh(positions + offset, values, height=0.36, color=colour, label=name)
            axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=7)
        axes.set_yticks(positions, [f"{label} ({by_class[label]['support']:.0f})" for label in ordered])
        axes.set(xlim=(0, 1.08), ylim=(-0.6, len(ordered) - 0.4))
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper right", ncols=2, frameon=False)
        return _to_svg(figure, "precision and recall by class")


def _to_svg(figure: Figure, description: str) -> str:
    """Return the figure as an SVG element that inherits colour and font from its page."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(_TEXT_COLOUR, "currentColor")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
