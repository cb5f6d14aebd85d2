"""What is a text, what is missing, what is made safe, and the optional cleaning. One set of rules for BERT, TF-IDF,
Spark and scikit-learn. Knows nothing of models."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd

from bert_spark.errors import ConfigError, TextError

MISSING_TEXT = "missing text"
MALFORMED_ROW = "malformed row"
CLEANINGS = ("off", "tweets")

# Handles and links stand for anybody and anywhere: BERT gets one plain word for each, without rare sub-words.
# "awww... cute" holds no link; both are ASCII, and what follows them in Japanese without a space is text, as is a
# bracket that was opened before the link.
_IN_LINK = r"[!-'*-;=?-Z\\^-~]"
_LINK = re.compile(rf"(?:https?://|(?<!\w)www\.(?=\w))(?:{_IN_LINK}|\({_IN_LINK}*\)|\[{_IN_LINK}*\])+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![A-Za-z0-9_@])@[A-Za-z0-9_]+")
# C0, DEL and C1 controls, zero-width space, line and paragraph separators, byte order mark, replacement character:
# BERT's tokenizer deletes most of them and joins their neighbours. Joiners (U+200C, U+200D) stay: scripts and emoji
# need them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ufffd]+")
_BLANKS = re.compile(r"\s+")


def is_missing(value: Any) -> bool:
    """Tell whether `value` stands for no text: None, NaN, NaT or pd.NA."""
    return value is None or (not isinstance(value, str) and pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def make_safe(text: str) -> str:
    """Return `text` with half surrogate pairs, which no tokenizer takes, as U+FFFD; whole pairs as their character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_tweet(text: str) -> str:
    """Return a tweet with entities unescaped, links as "http", handles as "@user" and controls as single spaces.

    Joiners inside words and emoji sequences stay as they are. Cleaning twice changes no more than cleaning once does,
    but for entities that were escaped twice.
    """
    text = html.unescape(text)
    text = _CONTROL.sub(" ", text)
    text = _LINK.sub("http", text)
    text = _HANDLE.sub("@user", text)
    return _BLANKS.sub(" ", text).strip()


def prepare(text: str, clean: str = "off") -> str:
    """Return what the tokenizer is given for `text`: made safe, and cleaned where `clean` asks for it.

    Raises
    ------
    ConfigError
        When `clean` is none of `CLEANINGS`.
    """
    if clean not in CLEANINGS:
        raise ConfigError(f"clean={clean!r} is unknown; known are {list(CLEANINGS)}")
    return clean_tweet(make_safe(text)) if clean == "tweets" else make_safe(text)


def as_column(values: Any) -> Iterable[Any]:
    """Return the one column of texts in a list, tuple, array, Series, one-column frame or Arrow array.

    Raises
    ------
    TextError
        For a single string, a table of several columns, or what has no order (dict, set) or can be read only once.
    """
    if isinstance(values, (str, bytes)):
        raise TextError(f"got one {type(values).__name__}; expected a list of texts: wrap it in [ ]")
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1:
            raise TextError(f"got a table of shape {tuple(shape)}; expected one column of texts: select it first")
        values = values.iloc[:, 0] if hasattr(values, "iloc") else np.asarray(values)[:, 0]
    if hasattr(values, "to_pylist"):
        values = values.to_pylist()
    if not isinstance(values, Iterable) or isinstance(values, (Iterator, Mapping, Set)):
        raise TextError(f"got a {type(values).__name__}; expected a list of texts")
    return values


def check_texts(values: Any, missing: str = "error") -> list[str]:
    """Return `values` as a list of str, for callers that have no row for an error: the scikit-learn face.

    Parameters
    ----------
    values
        List, tuple, array, Series, one-column frame or Arrow array of str and missing values.
    missing
        "error" refuses missing values; "empty" takes them as "".

    Raises
    ------
    TextError
        With the position (not the index label) and the type of the first value that can't be used.
    """
    if missing not in ("error", "empty"):
        raise ConfigError(f"missing={missing!r} is unknown; known are ['error', 'empty']")
    texts: list[str] = []
    for row, value in enumerate(as_column(values)):
        if isinstance(value, str):
            texts.append(str(value))
        elif not is_missing(value):
            raise TextError(f"row {row} is a {type(value).__name__}; expected a str; convert it, e.g. with str()")
        elif missing == "error":
            raise TextError(f"row {row} has no text ({type(value).__name__}); fill or drop it, or set missing='empty'")
        else:
            texts.append("")
    return texts


def fold(text: str) -> str:
    """Return `text` without the differences that do not make another tweet: case and blanks."""
    return _BLANKS.sub(" ", make_safe(text).casefold()).strip()


def split_of(text: str, shares: Sequence[float] = (0.70, 0.15, 0.15), seed: int = 0) -> int:
    """Return the number of the split that `text` belongs to, the same on every run and machine.

    Texts that fold to the same string belong together, so that no text stands on both sides of a split.

    Parameters
    ----------
    text
        Any string.
    shares
        Share of each split, adding up to 1; by default train, validation, test.
    seed
        Another seed, another assignment.
    """
    digest = hashlib.sha256(f"{seed}\0{fold(text)}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for number, share in enumerate(shares):
        edge += share
        if point < edge:
            return number
    return len(shares) - 1
