"""Batches are within the token budget, and the next one is launched before the last one has ended."""

import torch

from bert_spark.encoding import batching
from bert_spark.encoding.batching import BatchLayout, BatchRunner
from tests.support.fakes import first_ids


def test_the_next_batch_is_launched_before_the_last_one_is_awaited(monkeypatch):
    events = []

    class Launched(batching.LaunchedBatch):
        def wait(self):
            events.append(("wait", int(self.rows[0])))
            return super().wait()

    def embed_batch(ids, mask):
        events.append(("launch", int(ids[0, 0])))
        return first_ids(ids, mask)

    monkeypatch.setattr(batching, "LaunchedBatch", Launched)
    result, failed = BatchRunner("cpu", BatchLayout(), 0, token_budget=2).run([[0, 9], [1, 9], [2, 9]], embed_batch, 1)
    assert events == [("launch", 0), ("launch", 1), ("wait", 0), ("launch", 2), ("wait", 1), ("wait", 2)]
    assert (result.tolist(), failed) == ([[0], [1], [2]], [])


def test_a_batch_that_fails_beside_another_is_tried_again_alone():
    in_flight = []

    def embed_batch(ids, mask):
        if in_flight:
            in_flight.clear()
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        in_flight.append(1)
        return first_ids(ids, mask)

    runner = BatchRunner("cpu", BatchLayout(), 0, token_budget=4)
    result, failed = runner.run([[row, 9] for row in range(8)], embed_batch, 1)
    assert (result[:, 0].tolist(), failed) == (list(range(8)), [])
    assert runner.token_budget == 4


def batches_of(lengths, budget):
    """Return ((rows, tokens), real tokens) of every batch of windows of these lengths."""
    batches = []

    def embed_batch(ids, mask):
        batches.append((tuple(ids.shape), int(mask.sum())))
        return first_ids(ids, mask)

    BatchRunner("cpu", BatchLayout(), 0, budget).run([[1] * length for length in lengths], embed_batch, 1)
    return batches


def test_a_large_batch_has_little_padding():
    """The lengths are those of tweets, and the budget is one that a GPU can have."""
    lengths = [5 + n % 50 for n in range(8192)]
    batches = batches_of(lengths, 1 << 18)
    assert sum(rows for (rows, _), _ in batches) == 8192
    assert all(real >= 0.9 * rows * tokens or rows * tokens <= 16_384 for (rows, tokens), real in batches)
    assert len(batches) < 12
    assert [shape for shape, _ in batches_of([50, 1, 1, 1], 200)] == [(4, 50)]  # a small batch fills its budget


def test_a_full_gpu_is_awaited_before_small_batches_are_halved(monkeypatch, caplog):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)

    def run_with_failures(failures):
        """Run a GPU whose first calls run out of memory. Return the token budget after that, and the failed rows."""
        remaining = [failures]

        def embed_batch(ids, mask):
            remaining[0] -= 1
            if remaining[0] >= 0:
                raise torch.OutOfMemoryError("CUDA out of memory (injected)")
            return first_ids(ids, mask)

        runner = BatchRunner("cpu", BatchLayout(), 0, token_budget=16_384)
        runner.patience_s = 10  # as on a GPU
        result, failed = runner.run([[row, 9] for row in range(4096)], embed_batch, 1)
        assert result[:, 0].tolist() == list(range(4096))
        return runner.token_budget, failed

    assert run_with_failures(9) == (4096, [])  # 8,192 tokens are halved to 4,096; then the runner waits
    assert waited == [1] * 8
    assert run_with_failures(13) == (1024, [])  # memory that does not become free is awaited for 10 s only
    assert waited == [1] * 18


def test_padding_is_on_the_right():
    ids, mask = BatchRunner("cpu", BatchLayout(padded_to=4), 7, 100).pad([[1, 2], [3, 4, 5]])
    assert ids.tolist() == [[1, 2, 7, 7], [3, 4, 5, 7]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert ids.dtype == mask.dtype == torch.int64
