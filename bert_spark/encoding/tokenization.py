"""From texts to the token ids the model reads, with what was cut and what was unknown. Exactly the model's own
tokenizer; a text of any size takes bounded memory. Knows nothing of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# A text of 10 MB in one call took 9 s and 1.6 GB: pieces this long, cut at white space, give the same tokens.
_PIECE_CHARS = 10_000
# A run without white space longer than this is cut inside: no tokenizer takes 10 MB of it in bounded memory.
_LONGEST_RUN_CHARS = 1_000_000
_CALL_CHARS = 1_000_000  # characters of one tokenizer call
_CUT_BEFORE = re.compile(r"(?<!\s)[ \t\n\r]")


@dataclass(frozen=True)
class TokenizedTexts:
    """Token ids of n texts in windows of at most max_length, special tokens included.

    Attributes
    ----------
    windows
        Ids of each window; with long_text "truncate" one window a text.
    owner
        int64, shape (n_windows,): which text a window is of, ascending.
    count
        int32, shape (n,): tokens before the cut, special tokens included.
    unknown_share
        float32, shape (n,): unknown tokens among those that are read, special tokens left out; 0 where there are none.
    """

    windows: list[list[int]]
    owner: np.ndarray
    count: np.ndarray
    unknown_share: np.ndarray


class TextTokenizer:
    """The model's tokenizer with max_length and the long-text policy applied."""

    def __init__(self, tokenizer: Any, max_length: int, *, whole_text: bool = False) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.whole_text = whole_text
        self.prefix, self.suffix = special_ids(tokenizer)
        self.unknown_id: int | None = tokenizer.unk_token_id
        self.pad_id: int = tokenizer.pad_token_id or 0
        # its Rust part alone, where that gives the same ids: without a dict and masks of each text, 1.5 times as fast
        self._ids = self._ids_by_rust if self._rust_will_do() else self._ids_by_python

    @property
    def room(self) -> int:
        """Tokens of the text itself that fit into max_length."""
        return self.max_length - len(self.prefix) - len(self.suffix)

    def read(self, texts: Sequence[str]) -> TokenizedTexts:
        """Tokenise texts as the model's own tokenizer does with truncation at max_length."""
        kept: list[list[int]] = [[] for _ in texts]
        count = np.zeros(len(texts), dtype=np.int32)
        for chunk in _tokenizer_calls(texts):
            for (owner, _), ids in zip(chunk, self._ids([piece for _, piece in chunk]), strict=True):
                count[owner] += len(ids)
                self._keep(kept[owner], ids)
        special = len(self.prefix) + len(self.suffix)
        windows: list[list[int]] = []
        owner_of: list[int] = []
        for owner, ids in enumerate(kept):
            for start in range(0, max(len(ids), 1), self.room):
                windows.append([*self.prefix, *ids[start : start + self.room], *self.suffix])
                owner_of.append(owner)
        unknown = np.array([self._unknown_share(ids) for ids in kept], dtype=np.float32)
        return TokenizedTexts(windows, np.array(owner_of, dtype=np.int64), count + np.int32(special), unknown)

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

    def _rust_will_do(self) -> bool:
        """Tell whether the tokenizer's Python part only hands on. It is asked first, since it sets the other up.

        A class of someone's own is always asked: what it does to some texts, a few made-up ones may not show.
        """
        of_transformers = type(self.tokenizer).__module__.startswith("transformers.")
        if not of_transformers or not hasattr(getattr(self.tokenizer, "backend_tokenizer", None), "encode_batch_fast"):
            return False
        special = " ".join(map(str, getattr(self.tokenizer, "all_special_tokens", [])))
        probe = ["", "Hello,  World! it's 1st\n\té", f"a{special} b {special}", "\u3042\U0001f600 " * 3]
        return self._ids_by_python(probe) == self._ids_by_rust(probe)

    def _keep(self, kept: list[int], ids: list[int]) -> None:
        kept.extend(ids)
        if not self.whole_text and len(kept) > self.room:
            left = getattr(self.tokenizer, "truncation_side", "right") == "left"
            del kept[slice(0, len(kept) - self.room) if left else slice(self.room, None)]

    def _unknown_share(self, ids: list[int]) -> float:
        return ids.count(self.unknown_id) / len(ids) if ids and self.unknown_id is not None else 0.0


def special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids the tokenizer puts before and after one text, e.g. ([CLS], [SEP])."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == list(bare):
            return full[:start], full[start + len(bare) :]
    return [], []


def split_long_text(text: str) -> Iterator[str]:
    """Cut a long text before white space, so that the pieces' tokens are the text's tokens."""
    start = 0
    while len(text) - start > _PIECE_CHARS:
        cut = _CUT_BEFORE.search(text, start + _PIECE_CHARS, start + _PIECE_CHARS + _LONGEST_RUN_CHARS)
        end = cut.start() if cut else min(start + _PIECE_CHARS + _LONGEST_RUN_CHARS, len(text))
        yield text[start:end]
        start = end
    if start < len(text) or not text:
        yield text[start:]


def _tokenizer_calls(texts: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Group (number of the text, piece) into tokenizer calls of about _CALL characters."""
    call: list[tuple[int, str]] = []
    size = 0
    for owner, text in enumerate(texts):
        for piece in split_long_text(text):
            call.append((owner, piece))
            size += len(piece)
            if size >= _CALL_CHARS:
                yield call
                call, size = [], 0
    if call:
        yield call
