"""While a batch is on its way the next is launched; while a window is taken on, the next runs and one is tokenised."""

import os
import threading

import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from bert_spark.encoding import batching
from bert_spark.encoding import encoder as encoder_module
from bert_spark.encoding.batching import BatchLayout, BatchRunner
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.spark import udf
from tests.support import tiny_models
from tests.support.fakes import FakeModel, FakeTokenizer, fake_encoder


def first_ids(ids, mask):
    return ids[:, :1].float()


def test_the_next_batch_is_launched_before_the_last_one_is_waited_for(monkeypatch):
    events = []

    class Launched(batching.LaunchedBatch):
        def wait(self):
            events.append(("land", int(self.rows[0])))
            return super().wait()

    def vectors(ids, mask):
        events.append(("launch", int(ids[0, 0])))
        return first_ids(ids, mask)

    monkeypatch.setattr(batching, "LaunchedBatch", Launched)
    result, failed = BatchRunner("cpu", BatchLayout(), 0, token_budget=2).run([[0, 9], [1, 9], [2, 9]], vectors, 1)
    assert events == [("launch", 0), ("launch", 1), ("land", 0), ("launch", 2), ("land", 1), ("land", 2)]
    assert (result.tolist(), failed) == ([[0], [1], [2]], [])


def test_memory_that_the_batch_in_flight_holds_is_waited_for_before_the_budget_is_halved():
    held = []

    def vectors(ids, mask):
        if held:
            held.clear()
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        held.append(1)
        return first_ids(ids, mask)

    runner = BatchRunner("cpu", BatchLayout(), 0, token_budget=4)
    result, failed = runner.run([[row, 9] for row in range(8)], vectors, 1)
    assert (result[:, 0].tolist(), failed) == (list(range(8)), [])
    assert runner.token_budget == 4


def shapes_of(lengths, budget):
    """Return (rows, tokens) of every batch that windows of these lengths make."""
    seen = []

    def vectors(ids, mask):
        seen.append((tuple(ids.shape), int(mask.sum())))
        return first_ids(ids, mask)

    BatchRunner("cpu", BatchLayout(), 0, budget).run([[1] * length for length in lengths], vectors, 1)
    return seen


def test_a_large_batch_ends_before_it_is_padding():
    """Tweets' lengths, and a budget that a card may find."""
    lengths = [5 + n % 50 for n in range(8192)]
    seen = shapes_of(lengths, 1 << 18)
    assert sum(rows for (rows, _), _ in seen) == 8192
    assert all(real >= 0.9 * rows * tokens or rows * tokens <= 16_384 for (rows, tokens), real in seen)
    assert len(seen) < 12
    assert [shape for shape, _ in shapes_of([50, 1, 1, 1], 200)] == [(4, 50)]  # small ones are as the budget says


def test_a_full_card_is_waited_for_before_small_batches_are_cut(monkeypatch, caplog):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)

    def full_for(times):
        left = [times]

        def vectors(ids, mask):
            left[0] -= 1
            if left[0] >= 0:
                raise torch.OutOfMemoryError("CUDA out of memory (injected)")
            return first_ids(ids, mask)

        runner = BatchRunner("cpu", BatchLayout(), 0, token_budget=16_384)
        runner.patience = 10  # as on a card
        result, failed = runner.run([[row, 9] for row in range(4096)], vectors, 1)
        assert result[:, 0].tolist() == list(range(4096))
        return runner.token_budget, failed

    assert full_for(9) == (4096, [])  # 8,192 tokens are cut to 4,096; then it waits, and goes on
    assert waited == [1] * 8
    assert full_for(13) == (1024, [])  # what does not come back is not waited for again and again
    assert waited == [1] * 18


def test_a_window_is_tokenised_while_the_one_before_it_runs():
    second_is_read = threading.Event()

    class Tokenizer(FakeTokenizer):
        def __call__(self, texts, **options):
            if "w20" in texts:
                second_is_read.set()
            return super().__call__(texts, **options)

    class Model(FakeModel):
        def forward(self, input_ids, attention_mask):
            if 10 in input_ids:
                assert second_is_read.wait(10), "the second window was not read while the first ran"
            return super().forward(input_ids, attention_mask)

    encoder = fake_encoder(Model(), Tokenizer(), window_rows=1, pooling="max")
    encoder.works_ahead = True  # as on a GPU
    assert encoder.encode(["w10", "w20", "w30"])[:, 1].tolist() == [10, 20, 30]


def test_a_window_runs_while_the_caller_takes_on_the_one_before_it():
    second_runs = threading.Event()

    class Model(FakeModel):
        def forward(self, input_ids, attention_mask):
            if 20 in input_ids:
                second_runs.set()
            return super().forward(input_ids, attention_mask)

    encoder = fake_encoder(Model(), pooling="max")
    encoder.works_ahead = True
    results = encoder.encode_windows([word] for word in ("w10", "w20", "w30"))
    assert next(results).vectors[0, 1] == 10
    assert second_runs.wait(10), "the second window did not run before it was asked for"
    assert [result.vectors[0, 1] for result in results] == [20, 30]


@pytest.mark.parametrize("ahead", [False, True])
def test_windows_of_wide_vectors_hold_fewer_rows(monkeypatch, ahead):
    """flatten gives max_length times the numbers of cls."""
    monkeypatch.setattr(encoder_module, "WINDOW_NUMBERS", 50)
    encoder = fake_encoder(pooling="flatten", max_length=8)
    encoder.works_ahead = ahead
    given = [f"w{n}" for n in range(4, 14)]
    assert (encoder.width, encoder.window_rows) == (16, 3)
    assert encoder.encode(given).reshape(10, 8, 2)[:, 1, 1].tolist() == list(range(4, 14))
    column = pa.array([*given[:5], None, *given[5:]])
    structs = list(udf.embed_windows(iter([(column,)]), encoder))
    assert [len(struct) for struct in structs] == [3, 3, 3, 2]
    found = pa.concat_arrays([struct.field("embedding") for struct in structs]).to_pylist()
    assert found[5] is None
    assert [row[3] for row in found if row] == list(range(4, 14))


def test_what_fails_in_the_reading_thread_fails_the_encoder():
    encoder = fake_encoder(window_rows=1)
    encoder.works_ahead = True
    encoder.reader.tokenizer = None
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        encoder.encode(["w10", "w20"])


def test_on_a_cpu_no_window_is_taken_in_before_the_last_one_is_given():
    taken = []
    encoder = fake_encoder()
    results = encoder.encode_windows(taken.append(row) or ["w10"] for row in range(3))
    next(results)
    assert taken == [0]


def test_padding_is_on_the_right():
    ids, mask = BatchRunner("cpu", BatchLayout(padded_to=4), 7, 100).pad([[1, 2], [3, 4, 5]])
    assert ids.tolist() == [[1, 2, 7, 7], [3, 4, 5, 7]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert ids.dtype == mask.dtype == torch.int64


@pytest.fixture(scope="module")
def model_of_20_mb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "wide"
    tiny_models.wordpiece(BertTokenizerFast, folder)
    sizes = {"hidden_size": 384, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 1536}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=tiny_models.TOKENS, max_position_embeddings=64, **sizes))
    return tiny_models.save(model, folder)


def kb_of_weights(folder, field):
    """Return how many kB of this process's mapping of the weights are of some kind, e.g. anonymous."""
    maps = [m for m in psutil.Process().memory_maps(grouped=False) if m.path == str(folder / "model.safetensors")]
    return sum(getattr(m, field) for m in maps) // 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux's /proc")
def test_an_encoder_reads_its_weights_from_the_file_that_others_map_too(model_of_20_mb):
    """Copied or converted they would be each worker's own: 100 workers of a host, 100 times the weights."""
    encoder = BertEncoder.from_config(EncoderConfig(model=str(model_of_20_mb), device="cpu"))
    encoder.encode(["hello world"])
    size = (model_of_20_mb / "model.safetensors").stat().st_size // 1024
    assert kb_of_weights(model_of_20_mb, "anonymous") == 0  # no page was written to, which would be a copy
    assert kb_of_weights(model_of_20_mb, "rss") > 0.9 * size
    with open("/proc/self/maps", encoding="ascii") as lines:
        spans = [line.split()[0].split("-") for line in lines if line.rstrip().endswith("wide/model.safetensors")]
    bounds = [(int(start, 16), int(end, 16)) for start, end in spans]
    owned = [p for p in encoder.loaded.model.parameters() if not any(a <= p.data_ptr() < b for a, b in bounds)]
    assert sum(p.numel() * 4 for p in owned) < 0.02 * size * 1024  # a tensor or two that lie unaligned, at most
    assert np.isfinite(encoder.encode(["hello"])).all()
