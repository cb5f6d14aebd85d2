"""Remember the token ids of words, and join them to the ids of texts. Knows nothing of windows and truncation.

BERT's tokenizer cuts a text at white space and punctuation, and then looks at each word alone. Most words of a text
were seen before, and looking them up takes a third of the time that the tokenizer takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

IdsOf = Callable[[list[str]], list[list[int]]]

# BERT makes a word of its own of each of these, so a run of them may be cut from its neighbours. What is not ASCII
# stays in the run around it, and the tokenizer decides. So does other white space: BERT deletes some, such as U+0085.
_PUNCTUATION = r"!-/:-@\[-`{-~"
_words_of = re.compile(rf"[^ \t\n\r{_PUNCTUATION}]+|[{_PUNCTUATION}]+").findall
_MOST_CHARS = 500_000  # of the remembered words: about 70,000 words, 20 MB
_NEVER = r"(?!)"


class WordIds:
    """Token ids of texts, for a tokenizer that looks at each word alone.

    Threads may share it. What it remembers is bounded: it starts anew when its words have _MOST_CHARS characters.

    Parameters
    ----------
    ids_of
        Returns the token ids of each text, without special tokens.
    special_tokens
        Texts that are one token wherever they stand. A text that contains one is not cut into words.
    """

    def __init__(self, ids_of: IdsOf, special_tokens: Sequence[str]) -> None:
        self._ids_of = ids_of
        self._has_special = re.compile("|".join(map(re.escape, special_tokens)) or _NEVER).search
        self._known: dict[str, tuple[int, ...]] = {}
        self._chars = 0

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of each text, exactly as the tokenizer gives them."""
        known, has_special = self._known, self._has_special  # another thread may start anew meanwhile
        words = [[text] if has_special(text) else _words_of(text) for text in texts]
        new = [word for word in set().union(*words) if word not in known]
        if new:
            known.update(zip(new, map(tuple, self._ids_of(new)), strict=True))
        ids = [list(chain.from_iterable(map(known.__getitem__, each))) for each in words]
        self._chars += sum(map(len, new))
        if self._chars > _MOST_CHARS:
            self._known, self._chars = {}, 0
        return ids


def ids_by_words(backend: Any, ids_of: IdsOf) -> IdsOf | None:
    """Return `WordIds.ids` if a tokenizer has the steps of BERT's own, which look at each word alone; else None.

    Parameters
    ----------
    backend
        The tokenizer, of the library tokenizers.
    ids_of
        Returns the token ids of each text by this tokenizer, without special tokens.
    """
    from tokenizers import models, normalizers, pre_tokenizers

    normalizer: Any = backend.normalizer
    steps = list(normalizer) if type(normalizer).__name__ == "Sequence" else [normalizer]
    added = list(backend.get_added_tokens_decoder().values())
    if (
        all(isinstance(step, (normalizers.BertNormalizer, normalizers.Lowercase)) for step in steps)
        and isinstance(backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and isinstance(backend.model, models.WordPiece)
        and not any(token.normalized for token in added)  # such a token also stands for other spellings of its text
    ):
        return WordIds(ids_of, [token.content for token in added]).ids
    return None
