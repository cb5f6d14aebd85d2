"""Joined ids of remembered words are those that the tokenizer gives to the whole text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from bert_spark.encoding import word_ids
from bert_spark.encoding.word_ids import WordIds, ids_by_words

# Letters, marks that join the letter before, scripts, signs, every kind of white space, characters that BERT deletes.
CHARS = "aZ\u00e9\u0130\u03a3\u4e2d\U0001f600!?_[]'#@.\u2014\u0301\u200d\x00\x1c\x7f\u0085\u00a0\u2028\u3000 \t\n\r"


def bert(normalizer, *added):
    """Return a tokenizer that knows each character, so that ids show every wrong cut."""
    pieces = ["[UNK]", *(prefix + char for prefix in ("", "##") for char in CHARS + CHARS.lower() + "ei")]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[UNK]", "[Z]", *added])
    return tokenizer


def ids_of(tokenizer):
    return lambda texts: [each.ids for each in tokenizer.encode_batch(texts, add_special_tokens=False)]


UNCASED, CASED = normalizers.BertNormalizer(), normalizers.BertNormalizer(lowercase=False)
LOWER_CASED = normalizers.Sequence([normalizers.Lowercase(), CASED])


@pytest.mark.parametrize("normalizer", [UNCASED, CASED, LOWER_CASED], ids=["uncased", "cased", "lower-cased"])
def test_any_text_has_the_ids_of_the_whole_text(normalizer):
    expected = ids_of(bert(normalizer))
    by_words = ids_by_words(bert(normalizer), expected)
    some = st.one_of(st.sampled_from([*CHARS, "[Z]", "[UNK]"]), st.characters(exclude_categories=["Cs"]))
    texts_of_words = st.lists(st.lists(some, max_size=30).map("".join), min_size=1, max_size=4)

    @settings(max_examples=300, deadline=None)
    @given(texts_of_words)
    def same(texts):
        assert by_words(texts) == expected(texts)

    same()


def test_a_word_is_tokenised_once():
    calls = []
    words = WordIds(lambda texts: calls.append(sorted(texts)) or [[len(text)] for text in texts], ["<s>"])
    assert words.ids(["so happy, so  sad", "", "a<s>b"]) == [[2, 5, 1, 2, 3], [], [5]]
    assert words.ids(["sad<s>", "so,"]) == [[6], [2, 1]]
    assert calls == [[",", "a<s>b", "happy", "sad", "so"], ["sad<s>"]]


def test_remembered_words_are_bounded(monkeypatch):
    monkeypatch.setattr(word_ids, "_MOST_CHARS", 10)
    calls = []
    words = WordIds(lambda texts: calls.append(texts) or [[1] for _ in texts], [])
    for text in ("1234567", "89012345", "1234567", "1234567"):
        assert words.ids([text]) == [[1]]
    assert calls == [["1234567"], ["89012345"], ["1234567"]]


def byte_pairs():
    return Tokenizer(models.BPE())


def own_steps():
    return bert(normalizers.Sequence([normalizers.NFC(), CASED]))


def other_cuts():
    tokenizer = bert(CASED)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def normalized_token():
    return bert(UNCASED, AddedToken("happy face", normalized=True))


@pytest.mark.parametrize("make", [byte_pairs, own_steps, other_cuts, normalized_token])
def test_other_tokenizers_read_whole_texts(make):
    assert ids_by_words(make(), list) is None
