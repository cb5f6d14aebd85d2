"""Too little memory halves the token budget for good. Windows and weights take bounded memory."""

import gc
import logging
import os

import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from bert_spark.encoding import encoder as encoder_module
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.error_reasons import OUT_OF_MEMORY
from bert_spark.errors import ModelError
from bert_spark.spark import udf
from tests.support import tiny_models
from tests.support.fakes import FakeModel, fake_encoder, words


def test_out_of_memory_halves_the_token_budget(caplog):
    encoder = fake_encoder(FakeModel(fits=50), token_budget=400, pooling="max")
    with caplog.at_level(logging.WARNING):
        encoded = encoder.encode_rows([f"w{i}" for i in range(10, 110)])
    assert encoded.errors == {}
    assert encoded.vectors[:, 1].tolist() == list(range(10, 110))
    # rows of 3 tokens: 100 rows (300 tokens) fail, then 50 (150), then 25 (75), then 12 (36) fit
    assert encoder.loaded.model.shapes == [(12, 3)] * 8 + [(4, 3)]
    assert encoder.batch_runner.calls == 3 + 9
    assert caplog.text.count("token budget halved") == 3


def test_the_halved_token_budget_is_kept():
    encoder = fake_encoder(FakeModel(fits=50), token_budget=400)
    encoder.encode([f"w{i}" for i in range(10, 110)])
    assert encoder.batch_runner.token_budget == 37
    encoder.loaded.model.shapes.clear()
    encoder.encode([f"w{i}" for i in range(200, 212)])
    assert encoder.loaded.model.shapes == [(12, 3)]  # nothing fails again


def test_out_of_memory_halves_batches_of_padded_rows():
    """Rows of flatten are padded to max_length, however short the texts are."""
    encoder = fake_encoder(FakeModel(fits=100), token_budget=160, max_length=20, pooling="flatten")
    encoder.encode([f"w{i}" for i in range(10, 18)])
    assert encoder.loaded.model.shapes == [(4, 20), (4, 20)]


def test_out_of_memory_for_one_text_is_the_error_of_its_row():
    encoder = fake_encoder(FakeModel(fits=10), token_budget=1000, pooling="max")
    encoded = encoder.encode_rows(["w10", words(20), "w11"])
    assert encoded.errors == {1: OUT_OF_MEMORY}
    assert np.isnan(encoded.vectors[1]).all()
    assert encoded.vectors[[0, 2], 1].tolist() == [10, 11]
    with pytest.raises(ModelError, match=r"row 1: out of memory for this text alone \(1 of 3 rows\)"):
        encoder.encode(["w10", words(20), "w11"])


def test_other_errors_of_the_model_are_raised():
    model = FakeModel()
    encoder = fake_encoder(model)
    model.forward = lambda input_ids, attention_mask: 1 / 0
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        encoder.encode_rows(["w10"])


def test_many_rows_leave_no_tensors():
    """A result or a gradient graph that is kept would be a tensor that remains."""
    encoder = fake_encoder(token_budget=4, window_rows=10)

    def tensors():
        gc.collect()
        return sum(type(each) is torch.Tensor for each in gc.get_objects())

    before = tensors()
    encoded = encoder.encode_rows([f"w{i}" for i in range(100)])
    assert tensors() == before
    assert encoded.vectors.base is None  # a small array does not keep a large one in memory


@pytest.mark.parametrize("lookahead", [False, True])
def test_windows_of_wide_vectors_hold_fewer_rows(monkeypatch, lookahead):
    """A vector of flatten holds max_length times as many numbers as one of cls."""
    monkeypatch.setattr(encoder_module, "MAX_WINDOW_NUMBERS", 50)
    encoder = fake_encoder(pooling="flatten", max_length=8)
    encoder.lookahead = lookahead
    texts = [f"w{n}" for n in range(4, 14)]
    assert (encoder.width, encoder.window_rows) == (16, 3)
    assert encoder.encode(texts).reshape(10, 8, 2)[:, 1, 1].tolist() == list(range(4, 14))
    column = pa.array([*texts[:5], None, *texts[5:]])
    structs = list(udf.embed_windows(iter([(column,)]), encoder))
    assert [len(struct) for struct in structs] == [3, 3, 3, 2]
    embeddings = pa.concat_arrays([struct.field("embedding") for struct in structs]).to_pylist()
    assert embeddings[5] is None
    assert [row[3] for row in embeddings if row] == list(range(4, 14))


@pytest.fixture(scope="module")
def model_of_20_mb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "wide"
    tiny_models.wordpiece(BertTokenizerFast, folder)
    sizes = {"hidden_size": 384, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 1536}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=tiny_models.TOKENS, max_position_embeddings=64, **sizes))
    return tiny_models.save(model, folder)


def kb_of_weights(folder, field):
    """Return the kB of one kind, e.g. "anonymous", in this process's mapping of the weights."""
    maps = [m for m in psutil.Process().memory_maps(grouped=False) if m.path == str(folder / "model.safetensors")]
    return sum(getattr(m, field) for m in maps) // 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux's /proc")
def test_an_encoder_maps_its_weights_from_the_file(model_of_20_mb):
    """The workers of a host share a mapped file. With copied weights 100 workers would hold them 100 times."""
    encoder = BertEncoder.from_config(EncoderConfig(model=str(model_of_20_mb), device="cpu"))
    encoder.encode(["hello world"])
    size = (model_of_20_mb / "model.safetensors").stat().st_size // 1024
    assert kb_of_weights(model_of_20_mb, "anonymous") == 0  # a page that was written to would be a copy
    assert kb_of_weights(model_of_20_mb, "rss") > 0.9 * size
    with open("/proc/self/maps", encoding="ascii") as lines:
        spans = [line.split()[0].split("-") for line in lines if line.rstrip().endswith("wide/model.safetensors")]
    bounds = [(int(start, 16), int(end, 16)) for start, end in spans]
    copied = [p for p in encoder.loaded.model.parameters() if not any(a <= p.data_ptr() < b for a, b in bounds)]
    assert sum(p.numel() * 4 for p in copied) < 0.02 * size * 1024  # at most one or two unaligned tensors
    assert np.isfinite(encoder.encode(["hello"])).all()
