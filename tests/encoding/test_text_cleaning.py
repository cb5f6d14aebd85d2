"""Lone surrogates are replaced, and tweets are cleaned on request."""

import numpy as np
import pytest

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
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


APART = {
    "after a word": ("great😀", "great 😀"),
    "inside a word": ("gr😀eat", "gr 😀 eat"),
    "several": ("so😀😂good", "so 😀 😂 good"),
    "skin tone and selector": ("ok👍🏽yes❤\ufe0fno", "ok 👍🏽 yes ❤\ufe0f no"),
    "joined": ("me👩🏽\u200d💻you", "me 👩🏽\u200d💻 you"),
    "flags": ("go🇫🇷🇩🇪", "go 🇫🇷 🇩🇪"),
    "flag with tags": ("a🏴\U000e0067\U000e0062\U000e007fb", "a 🏴\U000e0067\U000e0062\U000e007f b"),
    "keycap": ("no1\ufe0f\u20e3!", "no 1\ufe0f\u20e3 !"),
    "arrows, stars, ticks": ("a→b★c✔d", "a → b ★ c ✔ d"),
    "at the end of a link": ("http://a.b/c😀", "http 😀"),
    "degrees, currencies and marks stay": ("20°C 5€ it™", "20°C 5€ it™"),
    "ASCII stays": ("so :-) <3 #1 2*3", "so :-) <3 #1 2*3"),
    "letters of other scripts stay": ("ฉันรักเธอ 見て", "ฉันรักเธอ 見て"),
}


@pytest.mark.parametrize(("text", "cleaned"), APART.values(), ids=APART.keys())
def test_emoji_stand_apart_on_request_only(text, cleaned):
    assert prepare_text(text, "tweets+emoji") == cleaned
    assert prepare_text(cleaned, "tweets+emoji") == cleaned
    assert prepare_text(text, "tweets") == text.replace("http://a.b/c", "http")


@pytest.mark.parametrize(("text", "cleaned"), CLEANED.values(), ids=CLEANED.keys())
def test_the_cleaning_with_emoji_apart_does_all_that_the_other_does(text, cleaned):
    assert prepare_text(text, "tweets+emoji") == prepare_text(cleaned, "tweets+emoji")


def test_a_word_beside_an_unknown_emoji_keeps_its_vector(tiny_bert):
    encoders = {
        clean: BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), clean=clean, device="cpu"))
        for clean in ("tweets", "tweets+emoji")
    }
    same = {clean: np.ptp(one.encode(["good😀", "sad😀"]), axis=0).max() < 1e-6 for clean, one in encoders.items()}
    assert same == {"tweets": True, "tweets+emoji": False}
    assert [one.encode_rows(["so good😀"]).unknown_share.item() for one in encoders.values()] == pytest.approx(
        [1 / 2, 1 / 3]
    )
    assert encoders["tweets"].fingerprint != encoders["tweets+emoji"].fingerprint


def test_an_unknown_cleaning_is_refused():
    with pytest.raises(ConfigError, match=r"clean='html' is unknown; known are \['off', 'tweets', 'tweets\+emoji'\]"):
        prepare_text("a", "html")
