"""Lone surrogates are replaced, and tweets are cleaned on request."""

import pytest

from bert_spark.encoding.text_cleaning import clean_tweet, prepare_text, replace_lone_surrogates
from bert_spark.errors import ConfigError


# Each text, and the text for the tokenizer without cleaning
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gm \ud83d", "gm \ufffd"),
        ("\ude00 gm", "\ufffd gm"),
        ("\ude00\ud83d", "\ufffd\ufffd"),  # in the wrong order they are not a pair
        ("\ud83da", "\ufffda"),
        ("a\ud83d\ude00b", "a😀b"),  # a pair becomes its character
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
    ],
)
def test_lone_surrogates_become_the_replacement_character(text, expected):
    assert replace_lone_surrogates(text) == expected
    replace_lone_surrogates(text).encode("utf-8")


UNCHANGED = {
    "empty": "",
    "blanks": " \t\n ",
    "NUL": "a\0b",
    "BEL": "a\x07b",
    "zero-width space": "hello\u200bworld",
    "zero-width joiner": "👩\u200d💻",
    "replacement character": "no\ufffdway",
    "right-to-left override": "\u202eabc",
    "soft hyphen": "co\u00adop",
    "C1 control left by CP1252": "a\x97b",
    "combining mark": "e\u0301",
    "noncharacter": "a\uffffb\U0010ffff",
    "byte order mark": "\ufeffhi",
    "HTML entity": "fish &amp; chips",
    "handle and link": "@you https://t.co/x",
    "CRLF": "a\r\nb",
    "private use": "\ue000",
}


@pytest.mark.parametrize("text", UNCHANGED.values(), ids=UNCHANGED.keys())
def test_every_other_text_reaches_the_tokenizer_unchanged(text):
    assert prepare_text(text) == text
    assert prepare_text(text, "off") == text


CLEANED = {
    "HTML entity": ("fish &amp; chips &lt;3", "fish & chips <3"),
    "numeric entity": ("it&#39;s &#x1F600;", "it's 😀"),
    "entity of a surrogate": ("a&#xD83D;b", "a b"),
    "link": ("see https://t.co/AbC?x=1&y=2 now", "see http now"),
    "link in capitals": ("HTTP://X.ORG", "http"),
    "link without scheme": ("at www.example.com today", "at http today"),
    "link inside Japanese": ("見てhttps://t.co/abcすごい楽しい", "見てhttpすごい楽しい"),
    "link in brackets": ("it(https://t.co/abc)so [http://a.b] <http://a.b>", "it(http)so [http] <http>"),
    "link with brackets of its own": ("see http://a.b/c_(d)?e=[1] now", "see http now"),
    "long aww is no link": ("awww... so cute, Awww.", "awww... so cute, Awww."),
    "handle": ("thanks @nicolas_1!", "thanks @user!"),
    "handle after a full stop": (".@you look", ".@user look"),
    "two handles": ("@a @b", "@user @user"),
    "handle of any length": ("@" + "a" * 40, "@user"),
    "handle inside Japanese": ("こんにちは@tanakaさん", "こんにちは@userさん"),
    "e-mail address": ("mail me@example.com", "mail me@example.com"),
    "at sign alone": ("meet @ 5", "meet @ 5"),
    "hashtag": ("#happy day", "#happy day"),
    "NUL": ("a\0b", "a b"),
    "BEL": ("a\x07b", "a b"),
    "zero-width space": ("hello\u200bworld", "hello world"),
    "replacement character": ("no\ufffdway", "no way"),
    "lone surrogate": ("no\ud83dway", "no way"),
    "C1 control left by CP1252": ("a\x97b", "a b"),
    "newline and tab": ("a\r\n\tb", "a b"),
    "line separator": ("a\u2028b\u2029c", "a b c"),
    "byte order mark": ("\ufeffhi", "hi"),
    "no-break space": ("a\u00a0\u3000b", "a b"),
    "only controls": ("\0\x01\x02", ""),
    "joiner in an emoji sequence": ("👩\u200d💻", "👩\u200d💻"),
    "non-joiner inside a Persian word": ("می\u200cروم", "می\u200cروم"),
    "skin tone and variation selector": ("👍🏽 ❤\ufe0f", "👍🏽 ❤\ufe0f"),
    "Thai without spaces": ("ฉันรักเธอ", "ฉันรักเธอ"),
    "combining mark": ("e\u0301te\u0301", "e\u0301te\u0301"),
}


@pytest.mark.parametrize(("text", "cleaned"), CLEANED.values(), ids=CLEANED.keys())
def test_cleaned_tweets(text, cleaned):
    assert prepare_text(text, "tweets") == cleaned
    assert clean_tweet(cleaned) == cleaned


def test_an_unknown_cleaning_is_refused():
    with pytest.raises(ConfigError, match=r"clean='html' is unknown; known are \['off', 'tweets'\]"):
        prepare_text("a", "html")
