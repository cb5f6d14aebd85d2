"""Texts become vectors in their order, and are encoded once each. Fakes."""

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bert_spark.encoding.error_reasons import NOT_FINITE
from bert_spark.errors import ConfigError, ModelError, TextError
from tests.support.fakes import FakeModel, FakeTokenizer, fake_encoder, words


def test_vectors_are_in_the_order_of_the_texts():
    texts = [words(1 + i % 7, first=10 * i) for i in range(1, 60)]
    vectors = fake_encoder(token_budget=20, embedding_func=lambda output: output[0][:, 1, :]).encode(texts)
    assert vectors[:, 1].tolist() == [10 * i for i in range(1, 60)]


def test_identical_texts_in_a_window_are_encoded_once():
    encoder = fake_encoder(pooling="max")
    encoded = encoder.encode_rows(["w10", "w20", "w10", "w10", "w20"])
    assert encoded.vectors[:, 1].tolist() == [10, 20, 10, 10, 20]
    assert encoded.reused.tolist() == [False, False, True, True, True]
    assert encoder.texts_encoded == 2
    assert encoder.loaded.model.shapes == [(2, 3)]


def test_texts_that_are_identical_after_cleaning_are_encoded_once():
    encoder = fake_encoder(clean="tweets")
    assert encoder.encode_rows(["w10 @a", "w10  @b\0"]).reused.tolist() == [False, True]
    assert encoder.texts_encoded == 1


def test_without_cleaning_white_space_makes_a_different_text():
    encoder = fake_encoder()
    assert encoder.encode_rows(["w10", "w10 "]).reused.tolist() == [False, False]


def test_results_of_several_windows_are_concatenated():
    encoder = fake_encoder(pooling="max", window_rows=2)
    encoded = encoder.encode_rows(["w10", "w10", "w10", "w20 w21 ?", "w30"])
    assert encoded.vectors[:, 1].tolist() == [10, 10, 10, 21, 30]
    assert encoded.reused.tolist() == [False, True, False, False, False]
    assert encoded.token_count.tolist() == [3, 3, 3, 5, 3]
    assert encoded.unknown_share.tolist() == [0, 0, 0, pytest.approx(1 / 3), 0]
    assert encoder.texts_encoded == 4


def test_errors_of_later_windows_have_the_number_of_their_row():
    encoder = fake_encoder(FakeModel(always_breaks=13), window_rows=2)
    assert encoder.encode_rows(["w10", "w11", "w12", "w13", "w13"]).errors == {3: NOT_FINITE, 4: NOT_FINITE}


def test_batches_are_sorted_by_length_and_within_the_token_budget():
    encoder = fake_encoder(token_budget=12)
    encoder.encode([words(2), words(4), words(1, 50), words(2, 60), words(1, 70), words(1, 80), words(1, 90)])
    assert encoder.loaded.model.shapes == [(2, 6), (3, 4), (2, 3)]
    assert encoder.batch_runner.calls == 3


def test_a_thousand_rows_take_few_calls_of_the_model():
    """One row a call leaves a GPU at 10%."""
    encoder = fake_encoder(token_budget=64 * 5)
    encoder.encode([f"w{i} w5 w6" for i in range(4, 1004)])
    assert encoder.batch_runner.calls == 16  # 1,000 rows of 5 tokens, 64 a call
    assert encoder.loaded.model.shapes == [(64, 5)] * 15 + [(40, 5)]


def test_a_budget_below_one_text_gives_one_row_per_call():
    encoder = fake_encoder(token_budget=8, max_length=60)
    vectors = encoder.encode([words(50), words(50, 100)])
    assert vectors[:, 0].tolist() == [0, 0]
    assert encoder.loaded.model.shapes == [(1, 52), (1, 52)]


@pytest.mark.parametrize("texts", [[], (), np.array([], dtype=object), pd.Series([], dtype=object)])
def test_no_texts_give_an_empty_matrix_of_the_right_width(texts):
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
def test_texts_come_in_any_container(texts):
    """Tokenizers of transformers 5 take lists of str only."""
    assert fake_encoder(pooling="max").encode(texts)[:, 1].tolist() == [10, 20]


def test_a_single_string_is_refused():
    with pytest.raises(TextError, match=r"got one str; expected a list of texts: wrap it in \[ \]"):
        fake_encoder().encode("w10")


def test_a_missing_text_names_its_row():
    with pytest.raises(TextError, match=r"row 777 has no text \(NoneType\)"):
        fake_encoder().encode(["w10"] * 777 + [None])


def test_truncation_is_never_silent():
    encoded = fake_encoder(max_length=5).encode_rows([words(3), words(4), ""])
    assert encoded.truncated.tolist() == [False, True, False]
    assert encoded.token_count.tolist() == [5, 6, 2]


def test_a_huge_text_does_not_change_the_other_texts():
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


def test_a_failed_window_fails_only_its_text():
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


def test_max_length_is_kept_if_the_model_has_no_position_bound():
    assert fake_encoder(FakeModel(positions=-1), max_length=10_000).max_length == 10_000


def test_max_length_without_room_for_text_tokens_is_refused():
    with pytest.raises(ConfigError, match="max_length=2 leaves no token of a text; expected 3 or more"):
        fake_encoder(max_length=2)
    assert fake_encoder(max_length=3, pooling="max").encode(["w10 w11"]).tolist() == [[2.0, 10.0]]


def test_truncation_side_of_the_tokenizer_is_used():
    encoder = fake_encoder(tokenizer=FakeTokenizer("left"), max_length=3, pooling="max")
    assert encoder.encode(["w99 w10"]).tolist() == [[2.0, 10.0]]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_vectors_are_float32_in_every_precision(precision):
    assert fake_encoder(precision=precision).encode(["w10"]).dtype == np.float32


@pytest.mark.parametrize(("precision", "half"), [("float32", False), ("bfloat16", True), ("float16", True)])
def test_the_model_runs_in_eval_mode_without_gradients_in_the_set_precision(precision, half):
    encoder = fake_encoder(precision=precision)
    encoder.encode(["w10"])
    assert encoder.loaded.model.modes == {(False, True, half)}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_row_that_overflows_in_half_precision_is_run_again_in_float32(precision):
    encoder = fake_encoder(FakeModel(half_breaks=13), precision=precision, pooling="max")
    encoded = encoder.encode_rows(["w12", "w13", "w14"])
    assert encoded.errors == {}
    assert encoded.vectors.tolist() == [[2, 12], [2, 13], [2, 14]]
    assert encoder.loaded.model.shapes == [(3, 3), (1, 3)]  # that row alone


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_that_is_not_finite_is_the_error_of_its_row(precision):
    encoder = fake_encoder(FakeModel(always_breaks=13), precision=precision, pooling="max")
    encoded = encoder.encode_rows(["w12", "w13", "w14", "w13"])
    assert encoded.errors == {1: NOT_FINITE, 3: NOT_FINITE}
    assert np.isnan(encoded.vectors).tolist() == [[False] * 2, [True] * 2, [False] * 2, [True] * 2]
    with pytest.raises(ModelError, match=r"^row 1: vector is not finite \(2 of 4 rows\)$"):
        encoder.encode(["w12", "w13", "w14", "w13"])


class NoSpecialTokens(FakeTokenizer):
    def ids(self, text, special):
        return super().ids(text, False)


def test_a_text_without_tokens_gets_a_reason_and_the_others_their_vectors():
    encoder = fake_encoder(tokenizer=NoSpecialTokens())
    encoded = encoder.encode_rows(["w7 w8", "", "w9"])
    assert encoded.errors == {1: "no token to read"}
    assert encoded.vectors[[0, 2]].tolist() == [[0.0, 7.0], [0.0, 9.0]]
    assert encoder.encode_rows([""]).errors == {0: "no token to read"}
