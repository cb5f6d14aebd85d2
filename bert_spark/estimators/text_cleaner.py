"""A scikit-learn step that gives a TF-IDF arm the same texts that BERT gets."""

from __future__ import annotations

from typing import Any

from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.text_validation import check_texts
from bert_spark.estimators.text_input import TextInputMixin


class TextCleaner(TextInputMixin):
    """Give a TF-IDF arm the same texts that BERT gets: same rules for missing texts, same cleaning.

    Parameters
    ----------
    clean
        "off" or "tweets", as in `EncoderConfig`.
    missing
        "error" or "empty", as in `BertTransformer`.
    """

    def __init__(self, clean: str = "off", missing: str = "error") -> None:
        self.clean = clean
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> TextCleaner:
        """Check the texts."""
        check_texts(X, self.missing)
        return self

    def transform(self, X: Any) -> list[str]:
        """Return the texts, a list of str, as the encoder's tokenizer would be given them."""
        return [prepare_text(text, self.clean) for text in check_texts(X, self.missing)]
