"""Tell scikit-learn that a transformer takes texts, through its estimator tags."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin


class TextInputMixin(TransformerMixin, BaseEstimator):
    """Base of the transformers that take texts: scikit-learn's tags for string input."""

    holds_settings_only = True  # no fitted arrays; the audit of an artefact refuses all other attributes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []  # texts have no number format that vectors could keep
        tags.no_validation = True
        return tags
