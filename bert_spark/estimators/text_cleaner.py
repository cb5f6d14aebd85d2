"""Prepare texts for TF-IDF as the encoder prepares them for BERT, as a scikit-learn step."""

from __future__ import annotations

from typing import Any

from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.text_validation import check_texts
from bert_spark.estimators.text_input import TextInputMixin


class TextCleaner(TextInputMixin):
    """Give TF-IDF the same texts that BERT gets: the same rules for missing texts, and the same cleaning.

    Parameters
    ----------
    clean
        "off", "tweets" or "tweets+emoji", as in `EncoderConfig`.
    missing
        "error" or "empty", as in `BertTransformer`.
    """

    def __init__(self, clean: str = "off", missing: str = "error") -> None:
        self.clean = clean
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> TextCleaner:
        """Check the texts.

        Raises
        ------
        TextError
            If a text is missing or is not a str.
        """
        check_texts(X, self.missing)
        return self

    def transform(self, X: Any) -> list[str]:
        """Return the texts as the encoder's tokenizer gets them: a list of str.

        Raises
        ------
        TextError
            If a text is missing or is not a str.
        """
        return [prepare_text(text, self.clean) for text in check_texts(X, self.missing)]
