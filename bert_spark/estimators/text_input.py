"""What the transformers of texts share: scikit-learn's tags for string input."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin


class TextInputMixin(TransformerMixin, BaseEstimator):
    """What the transformers of texts share: scikit-learn's tags."""

    holds_settings_only = True  # no fitted arrays: the audit of an artefact refuses any other attribute

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.no_validation = True
        return tags
