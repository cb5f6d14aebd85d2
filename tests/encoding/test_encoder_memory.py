"""Memory that does not suffice halves the batch for good; many rows leave nothing behind. Fakes."""

import gc
import logging

import numpy as np
import pytest
import torch

from bert_spark.encoding.error_reasons import OUT_OF_MEMORY
from bert_spark.errors import ModelError
from tests.support.fakes import FakeModel, fake_encoder


def words(count, first=10):
    """Return a text of `count` known words; its ids start at `first`."""
    return " ".join(f"w{first + i}" for i in range(count))


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
