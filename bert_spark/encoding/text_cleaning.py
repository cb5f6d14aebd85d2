"""Prepare a text for the tokenizer: replace lone surrogates, and clean tweets on request."""

from __future__ import annotations

import html
import re

from bert_spark.errors import ConfigError

# Saved artefacts and stored vectors name their cleaning: a changed rule gets a name of its own.
CLEANINGS = ("off", "tweets", "tweets+emoji")
# BERT gets one plain word for each handle and each link, instead of rare sub-words. "awww... cute" is not a link.
# Handles and links are ASCII: Japanese that follows without a space is text, and so is the end of a bracket that was
# opened before the link.
_IN_LINK = r"[!-'*-;=?-Z\\^-~]"
_LINK = re.compile(rf"(?:https?://|(?<!\w)www\.(?=\w))(?:{_IN_LINK}|\({_IN_LINK}*\)|\[{_IN_LINK}*\])+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![A-Za-z0-9_@])@[A-Za-z0-9_]+")
# C0, DEL and C1 controls, zero-width space, line and paragraph separators, byte order mark, replacement character:
# BERT's tokenizer deletes most of them and joins the words around them. Joiners (U+200C, U+200D) are not in the list,
# since some scripts and emoji need them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff\ufffd]+")
# An emoji with what belongs to it: a variation selector, a skin tone, joined emoji, a flag's second letter or tags. Or
# one arrow, sign or shape, or a keycap. WordPiece cuts words at punctuation and not at these: if the vocabulary lacks
# one, all of the word that it is attached to is unknown.
_SIGN = "[\u2190-\u2bff\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
_ONE_EMOJI = rf"{_SIGN}\ufe0e?\ufe0f?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*"
_EMOJI = re.compile(
    rf"{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*|[\U0001f1e6-\U0001f1ff]{{1,2}}|(?<![0-9#*])[0-9#*]\ufe0f?\u20e3"
)
_WHITE_SPACE = re.compile(r"\s+")


def replace_lone_surrogates(text: str) -> str:
    """Return `text` with lone surrogates as U+FFFD, and surrogate pairs as their character. Tokenizers take neither."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_tweet(text: str, *, emoji_apart: bool = False) -> str:
    """Return a tweet with entities unescaped, links as "http", handles as "@user" and controls as single spaces.

    Joiners inside words and emoji sequences are kept. Cleaning a second time changes nothing, unless entities were
    escaped twice.

    Parameters
    ----------
    text
        The tweet.
    emoji_apart
        Whether each emoji, arrow and shape gets spaces around it, so that the word beside it stays a word.
    """
    text = html.unescape(text)
    text = _CONTROL.sub(" ", text)
    text = _LINK.sub("http", text)
    text = _HANDLE.sub("@user", text)
    if emoji_apart:
        text = _EMOJI.sub(r" \g<0> ", text)
    return _WHITE_SPACE.sub(" ", text).strip()


def prepare_text(text: str, clean: str = "off") -> str:
    """Return the text for the tokenizer: without lone surrogates, and cleaned unless `clean` is "off".

    Raises
    ------
    ConfigError
        If `clean` is not one of `CLEANINGS`.
    """
    if clean not in CLEANINGS:
        raise ConfigError(f"clean={clean!r} is unknown; known are {list(CLEANINGS)}")
    text = replace_lone_surrogates(text)
    return text if clean == "off" else clean_tweet(text, emoji_apart=clean == "tweets+emoji")
