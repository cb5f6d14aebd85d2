"""Token ids equal those of the model's own tokenizer. A text of any size takes bounded memory."""

import copy
import resource
import time

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

from bert_spark.encoding.tokenization import (
    _CALL_CHARS,
    _PIECE_CHARS,
    TextTokenizer,
    lower_casing,
    special_ids,
    split_long_text,
)
from bert_spark.encoding.word_ids import WordIds
from bert_spark.errors import ModelError
from tests.support import tiny_models
from tests.support.fakes import CLS, PAD, SEP, UNK, FakeTokenizer


@pytest.fixture(scope="module")
def bert_tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(str(tiny_bert))


@pytest.fixture(scope="module")
def byte_pair_tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    tiny_models.byte_pairs(folder)
    return AutoTokenizer.from_pretrained(str(folder))


def tokenize(text, max_length=8, tokenizer=None, **settings):
    tokens = TextTokenizer(tokenizer or FakeTokenizer(), max_length, **settings).tokenize([text])
    return tokens.windows, tokens.token_count[0], tokens.unknown_share[0]


def test_max_length_includes_special_tokens():
    """The tutorial's example: with max_length 5, "hi my name is nicolas" keeps three words."""
    windows, count, _ = tokenize("w4 w5 w6 w7 w8", max_length=5)
    assert windows == [[CLS, 4, 5, 6, SEP]]
    assert count == 7


def test_a_text_of_exactly_max_length_is_not_cut():
    assert tokenize("w4 w5 w6", max_length=5)[:2] == ([[CLS, 4, 5, 6, SEP]], 5)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_a_text_without_tokens_has_special_tokens_only(text):
    assert tokenize(text) == ([[CLS, SEP]], 2, 0.0)


def test_no_texts_give_no_windows():
    tokens = TextTokenizer(FakeTokenizer(), 8).tokenize([])
    assert (tokens.windows, tokens.text_of_window.tolist(), tokens.token_count.tolist()) == ([], [], [])


def test_truncation_side_of_the_tokenizer_is_used():
    """Cutting always at the right would differ from transformers."""
    windows, count, _ = tokenize("w4 w5 w6 w7", max_length=4, tokenizer=FakeTokenizer(truncation_side="left"))
    assert (windows, count) == ([[CLS, 6, 7, SEP]], 6)


def test_windows_hold_every_token_once_and_number_their_text():
    tokens = TextTokenizer(FakeTokenizer(), 4, whole_text=True).tokenize(["w4 w5 w6 w7 w8", "", "w9 w10"])
    assert tokens.windows == [[CLS, 4, 5, SEP], [CLS, 6, 7, SEP], [CLS, 8, SEP], [CLS, SEP], [CLS, 9, 10, SEP]]
    assert tokens.text_of_window.tolist() == [0, 0, 0, 1, 2]
    assert tokens.token_count.tolist() == [7, 2, 4]


def test_unknown_share_counts_only_tokens_that_are_read():
    assert tokenize("w4 ? ? w5 ?", max_length=6)[2] == 0.5  # of w4 ? ? w5; the last unknown word is cut off


def test_unknown_share_is_zero_without_an_unknown_token():
    tokenizer = FakeTokenizer()
    tokenizer.unk_token_id = None
    assert tokenize("w4 ?", tokenizer=tokenizer)[2] == 0.0


def test_pad_id_comes_from_the_tokenizer():
    tokenizer = FakeTokenizer()
    assert TextTokenizer(tokenizer, 8).pad_id == PAD
    tokenizer.pad_token_id = 9
    assert TextTokenizer(tokenizer, 8).pad_id == 9
    tokenizer.pad_token_id = None  # the attention mask hides padding of any id
    assert TextTokenizer(tokenizer, 8).pad_id == 0


def test_special_ids_of_real_tokenizers(bert_tokenizer, byte_pair_tokenizer):
    assert special_ids(bert_tokenizer) == ([2], [3])
    assert special_ids(byte_pair_tokenizer) == ([0], [2])


def test_a_tokenizer_without_special_tokens_has_none():
    class Bare(FakeTokenizer):
        def ids(self, text, special):
            return super().ids(text, False)

    assert special_ids(Bare()) == ([], [])
    assert tokenize("w4 w5", max_length=1, tokenizer=Bare())[:2] == ([[4]], 2)


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_a_mark_before_every_text_is_not_before_every_piece(scheme):
    """SentencePiece puts a mark in place of the blank before a word, and before the first word too."""
    metaspace = {"replacement": "_", "prepend_scheme": scheme}
    vocabulary = {"[UNK]": 0, "_so": 1, "_happy": 2, "_": 3, "so": 4, "happy": 5}
    rust = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    rust.pre_tokenizer = pre_tokenizers.Metaspace(**metaspace)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rust, unk_token="[UNK]", pad_token="[UNK]")
    text = "so happy " * 4000 + "so"
    tokens = TextTokenizer(tokenizer, 10**6).tokenize([text])
    assert tokens.windows == [tokenizer(text)["input_ids"]]
    assert set(tokens.windows[0]) == {1, 2}


def test_lower_casing_comes_before_the_tokenizers_own_steps(byte_pair_tokenizer, bert_tokenizer):
    lower = lower_casing(copy.deepcopy(byte_pair_tokenizer))
    text = "HELLO My World <s> ÀÉ"
    assert lower(text)["input_ids"] == byte_pair_tokenizer("hello my world <s> àé")["input_ids"]
    assert byte_pair_tokenizer(text)["input_ids"] != lower(text)["input_ids"]
    once = lower.backend_tokenizer.normalizer
    assert str(lower_casing(lower).backend_tokenizer.normalizer) == str(once)
    assert lower_casing(copy.deepcopy(bert_tokenizer))(text)["input_ids"] == bert_tokenizer(text.lower())["input_ids"]


def test_a_tokenizer_in_python_lower_cases_if_it_can():
    tokenizer = FakeTokenizer()
    with pytest.raises(ModelError, match="lower-cases texts, which its FakeTokenizer can't do; set a pooling by hand"):
        lower_casing(tokenizer)
    tokenizer.do_lower_case = False
    assert lower_casing(tokenizer).do_lower_case


# (text, tokens that BERT's own tokenizer makes of it, how many of them are unknown)
KINDS = {
    "emoji alone": ("😀😀😀", 1, 1),
    "other emoji alone": ("😢😢😢", 1, 1),  # the same ids as for the happy ones: BERT cannot tell them apart
    "emoji stuck to a word": ("happy😀", 1, 1),
    "word of 100 characters": ("a" * 100, 100, 0),
    "word of 101 characters": ("a" * 101, 1, 1),
    "Thai without spaces": ("ฉันรักเธอ", 1, 1),
    "CJK": ("日本", 2, 0),
    "kana": ("こ", 1, 1),
    "hashtag": ("#happy", 2, 0),
    "entity": ("a&amp;b", 7, 0),  # a & am? no: a, &, a, ##m, ##p, ;, b
    "accent": ("caf\u00e9", 4, 0),  # c ##a ##f ##e
    "combining mark": ("cafe\u0301", 4, 0),
    "NUL joins its neighbours": ("a\0b", 2, 0),  # a ##b, as in transformers; cleaning separates them
    "newline separates them": ("a\nb", 2, 0),
    "special token written in the text": ("[SEP]", 1, 0),
}


@pytest.mark.parametrize(("text", "count", "unknown"), KINDS.values(), ids=KINDS.keys())
def test_token_count_and_unknown_share_by_kind_of_text(bert_tokenizer, text, count, unknown):
    tokens = TextTokenizer(bert_tokenizer, 500).tokenize([text])
    assert tokens.token_count.tolist() == [count + 2]
    assert tokens.unknown_share.tolist() == [pytest.approx(unknown / count)]
    assert tokens.windows == [bert_tokenizer(text)["input_ids"]]


def test_the_same_number_of_any_emoji_gives_the_same_ids(bert_tokenizer):
    """Happy and sad emoji are the same unknown tokens for BERT; only the share of unknown tokens shows it."""
    happy, sad = TextTokenizer(bert_tokenizer, 60).tokenize(["😀 😀 😀", "😢 😢 😢"]).windows
    assert happy == sad == [2, 1, 1, 1, 3]


def test_texts_are_cut_if_the_tokenizer_has_no_maximum(bert_tokenizer):
    """Without a saved value model_max_length is a huge number, and truncation=True alone does not truncate."""
    text = "word " * 2000
    assert bert_tokenizer.model_max_length > 10**9
    assert len(bert_tokenizer(text, truncation=True)["input_ids"]) == 2002
    tokens = TextTokenizer(bert_tokenizer, 60).tokenize([text])
    assert (len(tokens.windows[0]), tokens.token_count[0]) == (60, 2002)


def test_token_count_exceeds_the_tokenizers_own_maximum(tiny_bert):
    tokenizer = BertTokenizerFast.from_pretrained(str(tiny_bert), model_max_length=16)
    tokens = TextTokenizer(tokenizer, 60).tokenize(["word " * 100])
    assert (len(tokens.windows[0]), tokens.token_count[0]) == (60, 102)


def test_truncation_and_padding_of_the_saved_tokenizer_are_ignored(tiny_bert, tmp_path):
    tokenizer = BertTokenizerFast.from_pretrained(str(tiny_bert))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=10)
    tokenizer.save_pretrained(str(tmp_path))
    text_tokenizer = TextTokenizer(AutoTokenizer.from_pretrained(str(tmp_path)), 60)
    assert text_tokenizer.tokenize(["hello my world today", "hi"]).token_count.tolist() == [6, 3]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a" * _PIECE_CHARS, ["a" * _PIECE_CHARS]),
        ("a" * _PIECE_CHARS + " b", ["a" * _PIECE_CHARS, " b"]),
        (
            "a" * (_PIECE_CHARS - 1) + "   b",
            ["a" * (_PIECE_CHARS - 1) + "   b"],
        ),  # a run of white space is never cut inside
        ("a" * (_PIECE_CHARS + 5) + "\n" + "b" * 5, ["a" * (_PIECE_CHARS + 5), "\n" + "b" * 5]),
    ],
    ids=["empty", "short", "one piece", "cut at white space", "white space at the limit", "cut after the limit"],
)
def test_long_texts_are_cut_before_white_space(text, pieces):
    assert list(split_long_text(text)) == pieces


def test_pieces_join_to_the_text():
    text = "some words \u00a0 \u2003 and   blanks\r\n\t" * 3000
    pieces = list(split_long_text(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) < _PIECE_CHARS + 100


LONG = {
    "words": "hello my good world, nicolas was working! ",
    "much white space": "hello   my \n\n  world \t\t you  ",
    "other white space": "hello\u00a0 my\u2003 \u00a0world \u00a0 \u3000you\u2028 ",
    "much punctuation": "wow!!! ... so?!  ",
    "not ASCII": "café 日本 中文 😀 e\u0301 ฉันรัก ",
    "special tokens": "hello [SEP] <mask> world </s> [MASK]  ",
    "controls": "a\0 \x0b\x0c \x1c b\x85 c ",
    "word that becomes unknown": "x" * 150 + " hi ",
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("fixture", ["bert_tokenizer", "byte_pair_tokenizer"])
def test_a_long_text_in_pieces_has_the_tokens_of_the_whole_text(request, fixture, kind):
    tokenizer = request.getfixturevalue(fixture)
    text = LONG[kind] * (35_000 // len(LONG[kind]))
    assert len(list(split_long_text(text))) == 4
    tokens = TextTokenizer(tokenizer, 10**6, whole_text=True).tokenize([text])
    assert tokens.windows == [tokenizer(text)["input_ids"]]


def test_a_word_of_a_megabyte_is_one_unknown_token_as_in_transformers(bert_tokenizer):
    windows, count, share = tokenize("a" * 1_000_000, tokenizer=bert_tokenizer)
    assert (windows, count, share) == ([[2, 1, 3]], 3, 1.0)


def test_a_text_of_ten_megabytes_takes_bounded_memory_and_time(bert_tokenizer):
    """In one call it took 9 s and 1.6 GB."""
    tokenize(
        "hello my world " * 70_000, tokenizer=bert_tokenizer
    )  # so that the memory of one call is already allocated
    peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    windows, count, _ = tokenize("hello my world " * 700_000, max_length=60, tokenizer=bert_tokenizer)
    assert (len(windows[0]), count) == (60, 2_100_002)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < 300  # MB
    assert time.process_time() - start < 600  # hours if the time grew with the square of the length


def test_ten_megabytes_without_white_space_take_bounded_memory(bert_tokenizer):
    tokenize("a" * 2_000_000, tokenizer=bert_tokenizer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, count, share = tokenize("a" * 10_000_000, max_length=60, tokenizer=bert_tokenizer)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < 300  # MB
    assert share == 1.0
    assert count < 100


@pytest.mark.parametrize("name", ["bert_tokenizer", "byte_pair_tokenizer"])
def test_the_rust_tokenizer_is_called_if_it_gives_the_same_ids(request, name, monkeypatch):
    tokenizer = request.getfixturevalue(name)
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=20)
    text_tokenizer = TextTokenizer(tokenizer, 60)
    texts = ["hello world", "", "I am so happy, today!! 😀 日本 \n\t ", tokenizer.mask_token or "x"]
    expected = [tokenizer(text)["input_ids"] for text in texts]
    monkeypatch.setattr(type(tokenizer), "__call__", lambda *args, **options: pytest.fail("the Python part was called"))
    assert text_tokenizer.tokenize(texts).windows == expected


@pytest.mark.parametrize(("threads", "remembered"), [("2", True), ("3", False)])
def test_words_are_remembered_unless_the_tokenizer_has_many_threads(bert_tokenizer, monkeypatch, threads, remembered):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    monkeypatch.setenv("RAYON_NUM_THREADS", threads)
    text_tokenizer = TextTokenizer(bert_tokenizer, 60)
    assert isinstance(text_tokenizer._ids.__self__, WordIds) is remembered
    assert text_tokenizer.tokenize(["hello, world"]).windows == [bert_tokenizer("hello, world")["input_ids"]]


@pytest.mark.parametrize("reason", ["own class", "special tokens are split"])
def test_the_python_tokenizer_is_called_if_it_changes_the_ids(tiny_bert, reason):
    class OwnTokenizer(BertTokenizerFast):
        def __call__(self, text, **options):
            texts = [text] if isinstance(text, str) else text
            result = super().__call__([each.replace("work", "happy") for each in texts], **options)
            return {"input_ids": result["input_ids"][0]} if isinstance(text, str) else result

    own_class = reason == "own class"
    kind, settings = (OwnTokenizer, {}) if own_class else (BertTokenizerFast, {"split_special_tokens": True})
    tokenizer = kind.from_pretrained(str(tiny_bert), **settings)
    texts = ["hello work", "[MASK] hello"]
    expected = [tokenizer(text)["input_ids"] for text in texts]
    assert TextTokenizer(tokenizer, 60).tokenize(texts).windows == expected


def test_many_texts_share_a_call_and_huge_texts_are_divided():
    tokenizer = FakeTokenizer()
    text_tokenizer = TextTokenizer(tokenizer, 8)
    tokenizer.calls.clear()
    text_tokenizer.tokenize(["w4"] * 1000)
    assert [len(call) for call in tokenizer.calls] == [1000]
    tokenizer.calls.clear()
    text_tokenizer.tokenize(["w4 " * (_CALL_CHARS // 2), "w5"])  # 1.5 times the characters of one call
    assert len(tokenizer.calls) == 2
    assert max(sum(map(len, call)) for call in tokenizer.calls) < _CALL_CHARS + 2 * _PIECE_CHARS


def test_tokens_stay_with_their_text_across_calls():
    tokens = TextTokenizer(FakeTokenizer(), 4).tokenize(
        ["w4 " * (_CALL_CHARS // 2), "w5", "w6 " * (_CALL_CHARS // 2), "", "w7"]
    )
    assert tokens.windows == [[CLS, 4, 4, SEP], [CLS, 5, SEP], [CLS, 6, 6, SEP], [CLS, SEP], [CLS, 7, SEP]]
    assert tokens.token_count.tolist() == [_CALL_CHARS // 2 + 2, 3, _CALL_CHARS // 2 + 2, 2, 3]
    assert UNK not in tokens.windows[0]
