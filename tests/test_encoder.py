"""Texts become vectors in their order, once each, whatever else is in the batch. Fakes first, then real models."""

import gc
import logging
import resource
import time

import models
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from fakes import FakeModel, FakeTokenizer, fake_encoder
from transformers import AutoModel, AutoTokenizer

from bert_spark.config import EncoderConfig
from bert_spark.encoder import NOT_FINITE, OUT_OF_MEMORY, BertEncoder
from bert_spark.errors import ConfigError, ModelError, TextError
from bert_spark.model import config_fingerprint, from_objects, resolve


def words(count, first=10):
    """Return a text of `count` known words; its ids start at `first`."""
    return " ".join(f"w{first + i}" for i in range(count))


# Pooling: the fake's state at position t is (t, id); [CLS] has the id 1, [SEP] 2


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("cls", [0.0, 1.0]),
        ("mean", [1.5, (1 + 10 + 11 + 2) / 4]),
        ("max", [3.0, 11.0]),
    ],
)
def test_pooling_reads_the_texts_own_tokens_beside_longer_ones(pooling, expected):
    encoder = fake_encoder(pooling=pooling)
    assert encoder.width == 2
    assert encoder.encode([words(9), words(2)])[1].tolist() == expected
    assert encoder.encode([words(2)]).tolist() == [expected]


def test_flatten_gives_every_text_max_length_states():
    encoder = fake_encoder(pooling="flatten", max_length=5)
    assert encoder.width == 10
    assert encoder.encode(["w10", words(9)]).tolist() == [
        [0.0, 1.0, 1.0, 10.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 1.0, 10.0, 2.0, 11.0, 3.0, 12.0, 4.0, 2.0],
    ]


def last_word(output):
    return output[0][:, -2, :]


def test_embedding_func_never_sees_padding():
    """The last word of each text: with padding it would be [PAD] for the shorter ones."""
    encoder = fake_encoder(embedding_func=last_word)
    texts = ["w10", words(5), "w30", words(5, 40), words(2)]
    assert encoder.encode(texts).tolist() == [[1.0, 10.0], [5.0, 14.0], [1.0, 30.0], [5.0, 44.0], [2.0, 11.0]]
    assert encoder.loaded.model.shapes == [(2, 7), (1, 4), (2, 3)]


def test_embedding_func_that_squeezes_gives_one_row_a_text():
    """`x[0][:, 0, :].squeeze()` loses the first axis in a batch of one."""
    encoder = fake_encoder(embedding_func=lambda output: output[0][:, 1, :].squeeze())
    assert encoder.width == 2
    assert encoder.encode(["w10", "w11", words(3, 20)]).tolist() == [[1.0, 10.0], [1.0, 11.0], [1.0, 20.0]]


@pytest.mark.parametrize(
    "flatten",
    [lambda x: x[0].flatten(), lambda x: x[0].flatten(1), lambda x: x[0].reshape(1, -1)],
    ids=["all", "each", "one row"],
)
def test_the_tutorials_flatten_gives_every_text_max_length_states(flatten):
    """It keeps no row a text, or rows of a width of their own: such a function is run text by text, padded."""
    encoder = fake_encoder(embedding_func=flatten, max_length=4)
    assert encoder.width == 8
    # [CLS] w10 [SEP] [PAD] and [CLS] w20 w21 [SEP]: (position, id) of each
    expected = [[0.0, 1.0, 1.0, 10.0, 2.0, 2.0, 3.0, 0.0], [0.0, 1.0, 1.0, 20.0, 2.0, 21.0, 3.0, 2.0]]
    assert encoder.encode(["w10", "w20 w21"]).tolist() == expected
    assert encoder.loaded.model.shapes == [(1, 4), (1, 4)]


def test_embedding_func_that_gives_no_tensor_is_refused():
    with pytest.raises(ConfigError, match="embedding_func gave a Output; expected a tensor"):
        fake_encoder(embedding_func=lambda output: output)


# Order, duplicates, batches


def test_order_is_kept():
    texts = [words(1 + i % 7, first=10 * i) for i in range(1, 60)]
    vectors = fake_encoder(token_budget=20, embedding_func=lambda output: output[0][:, 1, :]).encode(texts)
    assert vectors[:, 1].tolist() == [10 * i for i in range(1, 60)]


def test_identical_texts_run_once_in_a_window():
    encoder = fake_encoder(pooling="max")
    encoded = encoder.encode_rows(["w10", "w20", "w10", "w10", "w20"])
    assert encoded.vectors[:, 1].tolist() == [10, 20, 10, 10, 20]
    assert encoded.reused.tolist() == [False, False, True, True, True]
    assert encoder.texts_encoded == 2
    assert encoder.loaded.model.shapes == [(2, 3)]


def test_texts_that_clean_to_one_run_once():
    encoder = fake_encoder(clean="tweets")
    assert encoder.encode_rows(["w10 @a", "w10  @b\0"]).reused.tolist() == [False, True]
    assert encoder.texts_encoded == 1


def test_without_cleaning_blanks_make_another_text():
    encoder = fake_encoder()
    assert encoder.encode_rows(["w10", "w10 "]).reused.tolist() == [False, False]


def test_windows_are_looked_at_one_by_one_and_put_together():
    encoder = fake_encoder(pooling="max", window_rows=2)
    encoded = encoder.encode_rows(["w10", "w10", "w10", "w20 w21 ?", "w30"])
    assert encoded.vectors[:, 1].tolist() == [10, 10, 10, 21, 30]
    assert encoded.reused.tolist() == [False, True, False, False, False]
    assert encoded.token_count.tolist() == [3, 3, 3, 5, 3]
    assert encoded.unknown_share.tolist() == [0, 0, 0, pytest.approx(1 / 3), 0]
    assert encoder.texts_encoded == 4


def test_errors_of_later_windows_have_the_rows_own_number():
    encoder = fake_encoder(FakeModel(always_breaks=13), window_rows=2)
    assert encoder.encode_rows(["w10", "w11", "w12", "w13", "w13"]).errors == {3: NOT_FINITE, 4: NOT_FINITE}


def test_batches_hold_no_more_than_the_token_budget_and_are_sorted_by_length():
    encoder = fake_encoder(token_budget=12)
    encoder.encode([words(2), words(4), words(1, 50), words(2, 60), words(1, 70), words(1, 80), words(1, 90)])
    assert encoder.loaded.model.shapes == [(2, 6), (3, 4), (2, 3)]
    assert encoder.batches.calls == 3


def test_a_thousand_rows_are_a_few_calls_of_the_model():
    """One row a call leaves a GPU at 10%."""
    encoder = fake_encoder(token_budget=64 * 5)
    encoder.encode([f"w{i} w5 w6" for i in range(4, 1004)])
    assert encoder.batches.calls == 16  # 1,000 rows of 5 tokens, 64 a call
    assert encoder.loaded.model.shapes == [(64, 5)] * 15 + [(40, 5)]


def test_a_budget_smaller_than_one_text_is_one_row_a_call():
    encoder = fake_encoder(token_budget=8, max_length=60)
    vectors = encoder.encode([words(50), words(50, 100)])
    assert vectors[:, 0].tolist() == [0, 0]
    assert encoder.loaded.model.shapes == [(1, 52), (1, 52)]


@pytest.mark.parametrize("texts", [[], (), np.array([], dtype=object), pd.Series([], dtype=object)])
def test_no_texts_are_no_rows_of_the_right_width(texts):
    encoder = fake_encoder()
    vectors = encoder.encode(texts)
    assert (vectors.shape, vectors.dtype) == ((0, 2), np.float32)
    assert encoder.loaded.model.shapes == []


@pytest.mark.parametrize(
    "texts",
    [
        ["w10", "w20"],
        ("w10", "w20"),
        np.array(["w10", "w20"]),
        np.array(["w10", "w20"], dtype=object),
        pd.Series(["w10", "w20"], index=[5, 3]),
        pa.array(["w10", "w20"]),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_texts_come_in_any_dress(texts):
    """Tokenizers of transformers 5 take lists of str only."""
    assert fake_encoder(pooling="max").encode(texts)[:, 1].tolist() == [10, 20]


def test_a_single_string_is_not_a_list_of_letters():
    with pytest.raises(TextError, match=r"got one str; expected a list of texts: wrap it in \[ \]"):
        fake_encoder().encode("w10")


def test_a_missing_text_names_its_row():
    with pytest.raises(TextError, match=r"row 777 has no text \(NoneType\)"):
        fake_encoder().encode(["w10"] * 777 + [None])


# Length


def test_truncation_is_never_silent():
    encoded = fake_encoder(max_length=5).encode_rows([words(3), words(4), ""])
    assert encoded.truncated.tolist() == [False, True, False]
    assert encoded.token_count.tolist() == [5, 6, 2]


def test_one_text_over_the_limit_does_not_touch_the_others():
    texts = [f"w{i}" for i in range(10, 74)]
    texts[40] = "w9 " * 350_000  # 1 MB
    encoded = fake_encoder(pooling="max").encode_rows(texts)
    assert encoded.errors == {}
    assert np.flatnonzero(encoded.truncated).tolist() == [40]
    assert encoded.token_count[40] == 350_002
    assert encoded.vectors[:, 1].tolist() == [9 if i == 40 else i + 10 for i in range(64)]


def test_windows_give_the_mean_over_the_whole_text():
    encoder = fake_encoder(max_length=4, pooling="max", long_text="windows")
    encoded = encoder.encode_rows(["w10 w11 w12 w13 w14", "w20", ""])
    # windows [10 11], [12 13] and [14]: largest position 3, 3, 2; largest id 11, 13, 14
    assert encoded.vectors.tolist() == [[pytest.approx(8 / 3), pytest.approx(38 / 3)], [2.0, 20.0], [1.0, 2.0]]
    assert encoded.truncated.tolist() == [False, False, False]
    assert encoded.token_count.tolist() == [7, 3, 2]
    assert encoder.texts_encoded == 3


def test_a_window_that_fails_fails_its_text_alone():
    encoder = fake_encoder(FakeModel(always_breaks=13), max_length=4, long_text="windows")
    encoded = encoder.encode_rows(["w10", "w11 w12 w13", "w14 w15 w16"])
    assert encoded.errors == {1: NOT_FINITE}
    assert np.isnan(encoded.vectors).all(axis=1).tolist() == [False, True, False]


def test_max_length_is_bounded_by_the_models_positions(caplog):
    with caplog.at_level(logging.WARNING):
        encoder = fake_encoder(FakeModel(positions=8), max_length=60)
    assert encoder.max_length == 8
    assert "max_length=60 is more than the model's positions: 8" in caplog.text
    encoded = encoder.encode_rows([words(100)])
    assert encoder.loaded.model.shapes == [(1, 8)]
    assert encoded.truncated.tolist() == [True]


def test_a_model_without_a_position_bound_takes_max_length():
    assert fake_encoder(FakeModel(positions=-1), max_length=10_000).max_length == 10_000


def test_no_room_for_a_text_is_refused():
    with pytest.raises(ConfigError, match="max_length=2 leaves no token of a text; expected 3 or more"):
        fake_encoder(max_length=2)
    assert fake_encoder(max_length=3, pooling="max").encode(["w10 w11"]).tolist() == [[2.0, 10.0]]


def test_the_tokenizers_truncation_side_is_kept():
    encoder = fake_encoder(tokenizer=FakeTokenizer("left"), max_length=3, pooling="max")
    assert encoder.encode(["w99 w10"]).tolist() == [[2.0, 10.0]]


# Memory


def test_out_of_memory_halves_the_batch_and_goes_on(caplog):
    encoder = fake_encoder(FakeModel(fits=50), token_budget=400, pooling="max")
    with caplog.at_level(logging.WARNING):
        encoded = encoder.encode_rows([f"w{i}" for i in range(10, 110)])
    assert encoded.errors == {}
    assert encoded.vectors[:, 1].tolist() == list(range(10, 110))
    # rows of 3 tokens: 100 rows (300 tokens) fail, then 50 (150), then 25 (75), then 12 (36) fit
    assert encoder.loaded.model.shapes == [(12, 3)] * 8 + [(4, 3)]
    assert encoder.batches.calls == 3 + 9
    assert caplog.text.count("token budget halved") == 3


def test_the_smaller_batch_is_kept_for_all_that_follows():
    encoder = fake_encoder(FakeModel(fits=50), token_budget=400)
    encoder.encode([f"w{i}" for i in range(10, 110)])
    assert encoder.batches.token_budget == 37
    encoder.loaded.model.shapes.clear()
    encoder.encode([f"w{i}" for i in range(200, 212)])
    assert encoder.loaded.model.shapes == [(12, 3)]  # nothing fails again


def test_out_of_memory_halves_padded_rows_too():
    """Rows of flatten are padded to max_length, however short the texts are."""
    encoder = fake_encoder(FakeModel(fits=100), token_budget=160, max_length=20, pooling="flatten")
    encoder.encode([f"w{i}" for i in range(10, 18)])
    assert encoder.loaded.model.shapes == [(4, 20), (4, 20)]


def test_out_of_memory_at_one_row_is_its_error_and_the_others_go_on():
    encoder = fake_encoder(FakeModel(fits=10), token_budget=1000, pooling="max")
    encoded = encoder.encode_rows(["w10", words(20), "w11"])
    assert encoded.errors == {1: OUT_OF_MEMORY}
    assert np.isnan(encoded.vectors[1]).all()
    assert encoded.vectors[[0, 2], 1].tolist() == [10, 11]
    with pytest.raises(ModelError, match=r"row 1: out of memory for this text alone \(1 of 3 rows\)"):
        encoder.encode(["w10", words(20), "w11"])


def test_another_error_of_the_model_is_not_swallowed():
    model = FakeModel()
    encoder = fake_encoder(model)
    model.forward = lambda input_ids, attention_mask: 1 / 0
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        encoder.encode_rows(["w10"])


def test_many_rows_leave_nothing_behind():
    """A result kept on the device, or a graph kept, is a tensor that is still there."""
    encoder = fake_encoder(token_budget=4, window_rows=10)

    def tensors():
        gc.collect()
        return sum(type(thing) is torch.Tensor for thing in gc.get_objects())

    before = tensors()
    kept = encoder.encode_rows([f"w{i}" for i in range(100)])
    assert tensors() == before
    assert kept.vectors.base is None  # nor does a small array hold a large one


# Numbers


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_vectors_are_float32_outside(precision):
    assert fake_encoder(precision=precision).encode(["w10"]).dtype == np.float32


@pytest.mark.parametrize(("precision", "half"), [("float32", False), ("bfloat16", True), ("float16", True)])
def test_the_model_runs_in_eval_mode_without_gradients_in_the_precision_asked_for(precision, half):
    encoder = fake_encoder(precision=precision)
    encoder.encode(["w10"])
    assert encoder.loaded.model.modes == {(False, True, half)}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_row_that_half_precision_can_not_hold_is_run_again_in_float32(precision):
    encoder = fake_encoder(FakeModel(half_breaks=13), precision=precision, pooling="max")
    encoded = encoder.encode_rows(["w12", "w13", "w14"])
    assert encoded.errors == {}
    assert encoded.vectors.tolist() == [[2, 12], [2, 13], [2, 14]]
    assert encoder.loaded.model.shapes == [(3, 3), (1, 3)]  # that row alone


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_that_is_not_finite_is_its_rows_error(precision):
    encoder = fake_encoder(FakeModel(always_breaks=13), precision=precision, pooling="max")
    encoded = encoder.encode_rows(["w12", "w13", "w14", "w13"])
    assert encoded.errors == {1: NOT_FINITE, 3: NOT_FINITE}
    assert np.isnan(encoded.vectors).tolist() == [[False] * 2, [True] * 2, [False] * 2, [True] * 2]
    with pytest.raises(ModelError, match=r"^row 1: vector is not finite \(2 of 4 rows\)$"):
        encoder.encode(["w12", "w13", "w14", "w13"])


# Real models against transformers' own forward pass of each text alone

TEXTS = [
    "",
    " ",
    "hello",
    "hello my world",
    "hi my name is nicolas, and today is good!",
    "happy happy sad " * 30,
    "日本 café 😀 ##x [SEP] @user #tag &amp; http",
    "a\0b\u200b\ud83d x",
    "hello",
]
AS_TRANSFORMERS_TAKES_THEM = [text.replace("\ud83d", "\ufffd") for text in TEXTS]


@pytest.mark.parametrize("token_budget", [1, 100, 2048])
def test_bert_equals_transformers(tiny_bert, transformers_cls, token_budget):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", token_budget=token_budget))
    expected = transformers_cls(tiny_bert, AS_TRANSFORMERS_TAKES_THEM)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=models.ARCHITECTURES)
def architecture(request, tmp_path_factory):
    return models.ARCHITECTURES[request.param](tmp_path_factory.mktemp("models") / request.param)


def test_other_architectures_equal_transformers_up_to_their_last_position(architecture, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(architecture), device="cpu", max_length=512))
    assert encoder.max_length == 32
    expected = transformers_cls(architecture, AS_TRANSFORMERS_TAKES_THEM, max_length=32)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
    assert encoder.encode_rows(TEXTS).token_count.max() > 32


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean", lambda s: s.mean(0)),
        ("max", lambda s: s.max(0)),
        ("flatten", lambda s: np.pad(s, ((0, 60 - len(s)), (0, 0))).ravel()),
    ],
)
def test_other_poolings_equal_transformers(tiny_bert, transformers_states, pooling, pool):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling))
    expected = np.stack([pool(transformers_states(tiny_bert, text, 60)) for text in AS_TRANSFORMERS_TAKES_THEM])
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)


def test_pooler_equals_transformers(tiny_bert):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).eval(), AutoTokenizer.from_pretrained(str(tiny_bert))
    with torch.no_grad():
        expected = model(**tokenizer("hello my world", return_tensors="pt")).pooler_output.numpy()
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling="pooler"))
    vectors = encoder.encode(["hello my world", "a longer text than that one is"])
    np.testing.assert_allclose(vectors[:1], expected, rtol=0, atol=1e-5)


def test_pooler_of_an_architecture_without_one_is_refused(tmp_path):
    folder = models.distilbert(tmp_path / "distilbert")
    with pytest.raises(ModelError, match="'pooler' needs a model with a pooled output; this one has none"):
        BertEncoder.from_config(EncoderConfig(model=str(folder), device="cpu", pooling="pooler"))


def test_windows_equal_the_mean_of_transformers_vectors_of_the_pieces(tiny_bert):
    pieces = [["hello", "my", "good", "world"], ["today", "and", "no", "##w"], ["you", "work"]]
    text = "hello my good world today and now you work"
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).eval(), AutoTokenizer.from_pretrained(str(tiny_bert))
    assert tokenizer.tokenize(text) == [token for piece in pieces for token in piece]
    vectors = []
    for piece in pieces:
        with torch.no_grad():
            output = model(torch.tensor([[2, *tokenizer.convert_tokens_to_ids(piece), 3]]))
        vectors.append(output.last_hidden_state[0, 0].numpy())
    config = EncoderConfig(model=str(tiny_bert), device="cpu", max_length=6, long_text="windows")
    vector = BertEncoder.from_config(config).encode([text])[0]
    np.testing.assert_allclose(vector, np.mean(vectors, axis=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_short_rows_beside_long_ones_are_the_same_in_half_precision(tiny_bert, precision, tolerance, pooling):
    config = EncoderConfig(model=str(tiny_bert), device="cpu", precision=precision, pooling=pooling)
    encoder = BertEncoder.from_config(config)
    short = ["hello", "", "happy world"]
    alone = np.concatenate([encoder.encode([text]) for text in short])
    beside = encoder.encode([*short, "work " * 58])[:3]
    np.testing.assert_allclose(beside, alone, rtol=0, atol=tolerance)
    exact = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu", pooling=pooling)).encode(short)
    cosine = (beside * exact).sum(1) / np.linalg.norm(beside, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosine.min() > 0.999


def test_the_same_text_twice_is_the_same_vector(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    assert np.array_equal(encoder.encode(["hello world"]), encoder.encode(["hello world"]))


def test_a_live_model_in_train_mode_gives_one_vector(tiny_bert, transformers_cls):
    model, tokenizer = AutoModel.from_pretrained(str(tiny_bert)).train(), AutoTokenizer.from_pretrained(str(tiny_bert))
    vectors = BertEncoder(from_objects(tokenizer, model), EncoderConfig()).encode(["hello world"])
    np.testing.assert_allclose(vectors, transformers_cls(tiny_bert, ["hello world"]), rtol=0, atol=1e-5)


def test_a_live_half_precision_model_gives_float32_vectors(tiny_bert):
    model = AutoModel.from_pretrained(str(tiny_bert), dtype=torch.bfloat16)
    encoder = BertEncoder(from_objects(AutoTokenizer.from_pretrained(str(tiny_bert)), model), EncoderConfig())
    assert encoder.encode(["hello world"]).dtype == np.float32


def test_happy_and_sad_emoji_are_one_vector_and_say_so(tiny_bert):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    encoded = encoder.encode_rows(["😀 😀 😀", "😢 😢 😢", "happy"])
    assert np.array_equal(encoded.vectors[0], encoded.vectors[1])
    assert encoded.unknown_share.tolist() == [1.0, 1.0, 0.0]
    assert encoded.reused.tolist() == [False, False, False]


def test_a_text_of_ten_megabytes_is_one_row_in_bounded_memory(tiny_bert, transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(model=str(tiny_bert), device="cpu"))
    text = "hello my world " * 700_000
    encoder.encode([text[:1_000_000]])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    encoded = encoder.encode_rows(["hi", text])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 400  # MB
    assert time.monotonic() - start < 30
    assert encoded.token_count.tolist() == [3, 2_100_002]
    expected = transformers_cls(tiny_bert, ["hi", text[:1000]])
    np.testing.assert_allclose(encoded.vectors, expected, rtol=0, atol=1e-5)


def test_the_fingerprint_is_of_the_weights_and_settings(tiny_bert):
    config = EncoderConfig(model=str(tiny_bert), device="cpu")
    assert BertEncoder.from_config(config).fingerprint == config_fingerprint(config)


@pytest.mark.packaged
def test_minilm_equals_transformers(transformers_cls):
    encoder = BertEncoder.from_config(EncoderConfig(device="cpu"))
    expected = transformers_cls(resolve("packaged:minilm-l6"), AS_TRANSFORMERS_TAKES_THEM)
    assert expected.shape == (9, 384)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
