"""Turn texts into the token ids that the model reads, and count all tokens and the unknown ones.

The ids are exactly those of the model's own tokenizer. A text of any size takes bounded memory. Knows nothing of the
model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bert_spark.encoding.threads import tokenizer_threads
from bert_spark.encoding.word_ids import IdsOf, ids_by_words
from bert_spark.errors import ModelError

# A text of 10 MB in one call took 9 s and 1.6 GB. Pieces of this length, cut at white space, give the same tokens.
_PIECE_CHARS = 10_000
# A longer run without white space is cut inside: no tokenizer takes 10 MB of it in bounded memory.
_LONGEST_RUN_CHARS = 1_000_000
_CALL_CHARS = 1_000_000  # characters of one tokenizer call
_MANY_THREADS = 3
_SAMPLE = "so many of us would like to be happy and kind each day"
_CUT_BEFORE = re.compile(r"(?<!\s)(?=[ \t\n\r])")
_CUT_OUT = re.compile(r"(?<=\S) (?=\S)")  # for tokenizers that put a mark, in place of a blank, before every text


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of n texts in windows of at most max_length tokens, including special tokens.

    Attributes
    ----------
    windows
        Token ids of each window. With long_text "truncate" there is one window per text.
    text_of_window
        int64, shape (n_windows,): number of the text that each window belongs to, ascending.
    token_count
        int32, shape (n,): tokens before truncation, including special tokens.
    unknown_share
        float32, shape (n,): share of unknown tokens among those read, without special tokens. 0 for a text without
        tokens.
    """

    windows: list[list[int]]
    text_of_window: np.ndarray
    token_count: np.ndarray
    unknown_share: np.ndarray


class TextTokenizer:
    """Apply the model's tokenizer, max_length and the long-text policy.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    max_length
        Tokens in one window, including special tokens.
    whole_text
        Whether a long text fills several windows; else it is truncated to one.
    """

    def __init__(self, tokenizer: Any, max_length: int, *, whole_text: bool = False) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.whole_text = whole_text
        self.prefix, self.suffix = special_ids(tokenizer)
        self.unknown_id: int | None = tokenizer.unk_token_id
        self.pad_id: int = tokenizer.pad_token_id or 0
        self._ids = self._fastest_ids()
        self._cut = self._cut_that_keeps_ids()

    @property
    def max_text_tokens(self) -> int:
        """Tokens of the text itself that fit into max_length."""
        return self.max_length - len(self.prefix) - len(self.suffix)

    def tokenize(self, texts: Sequence[str]) -> TokenizedTexts:
        """Tokenise texts as the model's own tokenizer does with truncation at max_length."""
        ids_of_text: list[list[int]] = [[] for _ in texts]
        tokens = [0] * len(texts)
        for numbers, pieces in _tokenizer_calls(texts, self._cut):
            for text, ids in zip(numbers, self._ids(pieces), strict=True):
                tokens[text] += len(ids)
                self._append(ids_of_text, text, ids)
        prefix, suffix, step = self.prefix, self.suffix, self.max_text_tokens
        windows: list[list[int]] = []
        text_of_window: list[int] = []
        for text, ids in enumerate(ids_of_text):
            for start in range(0, len(ids) or 1, step):
                windows.append([*prefix, *ids[start : start + step], *suffix])
                text_of_window.append(text)
        count = np.array(tokens, dtype=np.int32) + np.int32(len(prefix) + len(suffix))
        unknown = np.array([self._unknown_share(ids) for ids in ids_of_text], dtype=np.float32)
        return TokenizedTexts(windows, np.array(text_of_window, dtype=np.int64), count, unknown)

    def sample_window(self, tokens: int, first: int = 0) -> list[int]:
        """Return a window of ordinary words, `tokens` of them between the special tokens, from word `first` on."""
        words = self._ids([_SAMPLE])[0] or [self.unknown_id or self.pad_id]
        return [*self.prefix, *(words[(first + number) % len(words)] for number in range(tokens)), *self.suffix]

    def _fastest_ids(self) -> IdsOf:
        """Return the fastest way to the ids that the tokenizer gives.

        Its Rust part alone is 1.5 times as fast, since it builds no dict and no masks of each text. Looking words up is
        2.5 times as fast as one thread of Rust. It holds Python's lock, so three threads of Rust are as fast.
        """
        if not self._rust_gives_same_ids():
            return self._ids_by_python
        if tokenizer_threads() >= _MANY_THREADS:
            return self._ids_by_rust
        return ids_by_words(self.tokenizer.backend_tokenizer, self._ids_by_rust) or self._ids_by_rust

    def _ids_by_python(self, pieces: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(
            pieces,
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        return ids

    def _ids_by_rust(self, pieces: list[str]) -> list[list[int]]:
        rust = self.tokenizer.backend_tokenizer
        rust.no_truncation()
        rust.no_padding()
        return [encoding.ids for encoding in rust.encode_batch_fast(pieces, add_special_tokens=False)]

    def _rust_gives_same_ids(self) -> bool:
        """Tell whether the tokenizer's Python part only passes texts on to its Rust part.

        A tokenizer class from outside transformers always runs its Python part: a few probe texts may not show what it
        does to other texts. The Python part is called first here, since it configures the Rust part.
        """
        of_transformers = type(self.tokenizer).__module__.startswith("transformers.")
        if not of_transformers or not hasattr(getattr(self.tokenizer, "backend_tokenizer", None), "encode_batch_fast"):
            return False
        special = " ".join(map(str, getattr(self.tokenizer, "all_special_tokens", [])))
        probe = ["", "Hello,  World! it's 1st\n\té", f"a{special} b {special}", "\u3042\U0001f600 " * 3]
        return self._ids_by_python(probe) == self._ids_by_rust(probe)

    def _cut_that_keeps_ids(self) -> re.Pattern[str]:
        """Return where a long text may be cut so that the tokens of the pieces are the tokens of the text."""
        whole = self._ids([_SAMPLE])[0]
        for cut in (_CUT_BEFORE, _CUT_OUT):
            if [token for ids in self._ids(_pieces_at(cut, _SAMPLE)) for token in ids] == whole:
                return cut
        return _CUT_BEFORE

    def _append(self, ids_of_text: list[list[int]], text: int, ids: list[int]) -> None:
        """Append the ids of a text's next piece, and truncate unless the whole text is read."""
        if ids_of_text[text]:
            ids_of_text[text].extend(ids)
        else:
            ids_of_text[text] = ids
        excess = len(ids_of_text[text]) - self.max_text_tokens
        if excess > 0 and not self.whole_text:
            cut_left = getattr(self.tokenizer, "truncation_side", "right") == "left"
            del ids_of_text[text][slice(0, excess) if cut_left else slice(self.max_text_tokens, None)]

    def _unknown_share(self, ids: list[int]) -> float:
        return ids.count(self.unknown_id) / len(ids) if ids and self.unknown_id is not None else 0.0


def lower_casing(tokenizer: Any) -> Any:
    """Return the tokenizer, changed to lower-case each text first, unless a step of its own does so already.

    Raises
    ------
    ModelError
        If the tokenizer is written in Python and does not offer it.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        if not hasattr(tokenizer, "do_lower_case"):
            raise ModelError(
                f"the model's own recipe lower-cases texts, which its {type(tokenizer).__name__} can't do; set a "
                "pooling by hand, such as pooling='mean'"
            )
        tokenizer.do_lower_case = True
        return tokenizer
    from tokenizers import normalizers

    own: Any = backend.normalizer
    steps = list(own) if type(own).__name__ == "Sequence" else [own]
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        steps = [normalizers.Lowercase(), *filter(None, steps)]
        backend.normalizer = normalizers.Sequence(steps)
    return tokenizer


def special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after one text, e.g. ([CLS], [SEP])."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == list(bare):
            return full[:start], full[start + len(bare) :]
    return [], []


def split_long_text(text: str, cut: re.Pattern[str] = _CUT_BEFORE) -> Iterator[str]:
    """Cut a long text at white space, so that the tokens of the pieces are the tokens of the text.

    Parameters
    ----------
    text
        The text.
    cut
        Where it may be cut. What the pattern matches is in no piece.
    """
    start = 0
    while len(text) - start > _PIECE_CHARS:
        found = cut.search(text, start + _PIECE_CHARS, start + _PIECE_CHARS + _LONGEST_RUN_CHARS)
        inside = min(start + _PIECE_CHARS + _LONGEST_RUN_CHARS, len(text))
        end, next_start = found.span() if found else (inside, inside)
        yield text[start:end]
        start = next_start
    if start < len(text) or not text:
        yield text[start:]


def _pieces_at(cut: re.Pattern[str], text: str) -> list[str]:
    """Return a short text in two pieces, cut in its middle."""
    found = cut.search(text, len(text) // 2)
    return [text[: found.start()], text[found.end() :]] if found else [text]


def _tokenizer_calls(texts: Iterable[str], cut: re.Pattern[str]) -> Iterator[tuple[list[int], list[str]]]:
    """Yield the pieces of tokenizer calls of about _CALL_CHARS characters, and the number of each piece's text."""
    numbers: list[int] = []
    pieces: list[str] = []
    size = 0
    for number, text in enumerate(texts):
        for piece in split_long_text(text, cut) if len(text) > _PIECE_CHARS else (text,):
            numbers.append(number)
            pieces.append(piece)
            size += len(piece)
            if size >= _CALL_CHARS:
                yield numbers, pieces
                numbers, pieces, size = [], [], 0
    if pieces:
        yield numbers, pieces
