"""Count the tokens of texts as an encoder reads them, with its tokenizer alone: the model is not loaded."""

from __future__ import annotations

from collections.abc import Sequence

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_loader import load_tokenizer
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.encoding.recipe_files import read_json
from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.encoding.tokenization import TextTokenizer, TokenizedTexts, lower_casing
from bert_spark.encoding.vector_recipe import recipe_of


class TokenCounter:
    """The tokenizer of an encoder, with its settings.

    Parameters
    ----------
    config
        The encoder's settings.

    Attributes
    ----------
    max_length
        Tokens that the encoder reads from each text, including special tokens.

    Raises
    ------
    ModelError
        If the model is not on this machine and cannot be fetched, or has no tokenizer.
    """

    def __init__(self, config: EncoderConfig) -> None:
        folder = resolve_model(config.model, config.revision)
        self._recipe, self._clean = recipe_of(config), config.clean
        tokenizer = load_tokenizer(folder, config.model)
        if self._recipe.lower_case:
            tokenizer = lower_casing(tokenizer)
        positions = read_json(folder / "config.json").get("max_position_embeddings") or self._recipe.max_length
        self.max_length = min(self._recipe.max_length, positions, tokenizer.model_max_length)
        self._tokenizer = TextTokenizer(tokenizer, self.max_length, whole_text=config.long_text == "windows")

    def count(self, texts: Sequence[str]) -> TokenizedTexts:
        """Return the token ids of texts, and how many tokens each has; it is truncated if they exceed `max_length`."""
        return self._tokenizer.tokenize([self._recipe.prompt + prepare_text(text, self._clean) for text in texts])
