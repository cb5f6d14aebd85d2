"""What is done to a text before the tokenizer: lone surrogates are replaced, and tweets are cleaned on request."""

from __future__ import annotations

import html
import re

from bert_spark.errors import ConfigError

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


def replace_lone_surrogates(text: str) -> str:
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


def prepare_text(text: str, clean: str = "off") -> str:
    """Return what the tokenizer is given for `text`: made safe, and cleaned where `clean` asks for it.

    Raises
    ------
    ConfigError
        When `clean` is none of `CLEANINGS`.
    """
    if clean not in CLEANINGS:
        raise ConfigError(f"clean={clean!r} is unknown; known are {list(CLEANINGS)}")
    return clean_tweet(replace_lone_surrogates(text)) if clean == "tweets" else replace_lone_surrogates(text)
