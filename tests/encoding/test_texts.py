"""What is a text, what is missing, what is made safe, what cleaning does."""

import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bert_spark.encoding.text_cleaning import clean_tweet, prepare_text, replace_lone_surrogates
from bert_spark.encoding.text_validation import as_column, check_texts, is_missing
from bert_spark.errors import ConfigError, TextError
from bert_spark.training.splits import fold_text, split_number


@pytest.mark.parametrize("value", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, decimal.Decimal("NaN")])
def test_missing(value):
    assert is_missing(value) is True


@pytest.mark.parametrize(
    "value", ["", " ", "nan", "None", "<NA>", "null", 0, 0.0, False, [], [None], np.array([np.nan])]
)
def test_not_missing(value):
    assert is_missing(value) is False


# Each as it is found, and what the tokenizer is given with cleaning off.
@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("gm \ud83d", "gm \ufffd"),
        ("\ude00 gm", "\ufffd gm"),
        ("\ude00\ud83d", "\ufffd\ufffd"),  # the two halves in the wrong order are no pair
        ("\ud83da", "\ufffda"),
        ("a\ud83d\ude00b", "a😀b"),  # two halves that stand together are the character
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
    ],
)
def test_half_surrogate_pairs_become_the_replacement_character(text, given):
    assert replace_lone_surrogates(text) == given
    replace_lone_surrogates(text).encode("utf-8")


KEPT = {
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


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
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
    "half surrogate pair": ("no\ud83dway", "no way"),
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
def test_cleaning(text, cleaned):
    assert prepare_text(text, "tweets") == cleaned
    assert clean_tweet(cleaned) == cleaned


def test_unknown_cleaning_is_refused():
    with pytest.raises(ConfigError, match=r"clean='html' is unknown; known are \['off', 'tweets'\]"):
        prepare_text("a", "html")


COLUMNS = {
    "list": ["a", "", "é"],
    "tuple": ("a", "", "é"),
    "object array": np.array(["a", "", "é"], dtype=object),
    "str array": np.array(["a", "", "é"]),
    "one-column array": np.array([["a"], [""], ["é"]]),
    "object Series": pd.Series(["a", "", "é"], dtype=object),
    "string Series, index of its own": pd.Series(["a", "", "é"], index=[7, 7, 9], dtype="string"),
    "categorical Series": pd.Series(["a", "", "é"], dtype="category"),
    "Arrow-backed Series": pd.Series(["a", "", "é"], dtype=pd.ArrowDtype(pa.string())),
    "one-column frame": pd.DataFrame({"text": ["a", "", "é"]}),
    "Arrow array": pa.array(["a", "", "é"]),
    "chunked Arrow array": pa.chunked_array([["a"], ["", "é"]]),
    "one-column Arrow table": pa.table({"text": ["a", "", "é"]}),
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS.keys())
def test_a_column_of_texts_in_any_dress_is_the_same_list(values):
    texts = check_texts(values)
    assert texts == ["a", "", "é"]
    assert {type(text) for text in texts} == {str}  # the tokenizer takes neither numpy's nor anybody's own


@pytest.mark.parametrize(
    "values", [[], (), np.array([], dtype=object), pd.Series([], dtype=object), pa.array([], pa.string())]
)
def test_no_texts_are_an_empty_list(values):
    assert check_texts(values) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("one text", r"got one str; expected a list of texts: wrap it in \[ \]"),
        (b"bytes", "got one bytes; expected a list of texts"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"got a table of shape \(1, 2\); expected one column of texts"),
        (np.array("x"), r"got a table of shape \(\)"),
        (5, "got a int; expected a list of texts"),
        ({"text": ["a", "b"]}, "got a dict; expected a list"),  # its keys are not the texts
        ({"a", "b"}, "got a set; expected a list"),  # it has no order
        ((text for text in "ab"), "got a generator; expected a list"),  # fit would leave nothing for transform
    ],
)
def test_what_is_no_column_is_refused(values, message):
    with pytest.raises(TextError, match=message):
        as_column(values)


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NoneType"), (math.nan, "float"), (pd.NA, "NAType"), (pd.NaT, "NaTType")]
)
def test_missing_text_names_its_row_and_what_to_do(value, kind):
    texts = [f"text {i}" for i in range(1000)]
    texts[777] = value
    with pytest.raises(TextError, match=rf"row 777 has no text \({kind}\); fill or drop it, or set missing='empty'"):
        check_texts(texts)
    assert check_texts(texts, "empty")[776:779] == ["text 776", "", "text 778"]


@pytest.mark.parametrize("dtype", [object, "string", "str", pd.ArrowDtype(pa.string())], ids=str)
def test_missing_text_in_a_series_of_any_string_type_names_its_position(dtype):
    """Pandas 2 holds None here, pandas 3 NaN, the string types pd.NA: all are missing."""
    series = pd.Series(["a", None, "b"], index=[5, 6, 7], dtype=object)
    series = series if dtype is object else series.astype(dtype)
    if dtype == "str" and pd.__version__ < "3":
        series[6] = None  # pandas 2 makes the text "None" of it on conversion
    with pytest.raises(TextError, match="row 1 has no text"):
        check_texts(series)
    assert check_texts(series, "empty") == ["a", "", "b"]


@pytest.mark.parametrize(
    ("value", "kind"), [(7, "int"), (1.5, "float"), (b"x", "bytes"), (["x"], "list"), (True, "bool")]
)
@pytest.mark.parametrize("missing", ["error", "empty"])
def test_what_is_no_str_names_its_row_and_type_but_not_its_value(value, kind, missing):
    with pytest.raises(TextError, match=rf"^row 1 is a {kind}; expected a str; convert it, e\.g\. with str\(\)$"):
        check_texts(["a", value], missing)


def test_unknown_policy_for_missing_texts_is_refused():
    with pytest.raises(ConfigError, match=r"missing='drop' is unknown; known are \['error', 'empty'\]"):
        check_texts(["a"], "drop")


@pytest.mark.parametrize("text", ["Straße  ist\nlang", " STRASSE IST LANG ", "strasse ist\u00a0lang"])
def test_texts_that_differ_in_case_and_blanks_fold_to_one(text):
    assert fold_text(text) == "strasse ist lang"


def test_half_surrogate_pairs_fold():
    assert fold_text("A\ud83d") == "a\ufffd"


@pytest.mark.parametrize("seed", range(20))
def test_texts_that_fold_to_one_belong_to_one_split(seed):
    assert split_number("Hi  You\ud83d", seed=seed) == split_number("hi you\ufffd", seed=seed)


def test_splits_are_the_same_on_every_machine():
    # printf '0\0a' | sha256sum: the first 16 digits over 2^64 are 0.372 for a, 0.776 for y, 0.928 for j
    assert [split_number(text) for text in "ayj"] == [0, 1, 2]


def test_shares_of_splits_are_met():
    counts = np.bincount([split_number(f"tweet {i}") for i in range(20_000)])
    # four standard deviations of a binomial of 20,000 are 260 at 0.70 and 202 at 0.15
    assert (np.abs(counts - [14_000, 3_000, 3_000]) < [260, 202, 202]).all()


def test_another_seed_gives_another_assignment():
    texts = [f"tweet {i}" for i in range(200)]
    assert [split_number(text, seed=1) for text in texts] != [split_number(text, seed=2) for text in texts]
