"""On a GPU vectors are copied while the next batch is launched, and memory is freed. torch's CUDA calls are faked."""

import pytest
import torch

from bert_spark.encoding.batching import BatchLayout, BatchRunner
from tests.support.fakes import first_ids


@pytest.fixture
def cuda_calls(monkeypatch):
    """Return the list of calls to a fake GPU. A copy to the host is valid only after its event was awaited."""
    pending, calls = [], []

    class Event:
        def __init__(self, blocking):
            assert blocking  # else the wait keeps a core busy

        def record(self, stream):
            self.copies = pending[:]
            pending.clear()

        def synchronize(self):
            calls.append("waited")
            for copy, host, device in self.copies:
                copy(host, device)

    def deferred(copy):
        def copy_(host, device, non_blocking=False):
            assert non_blocking
            calls.append("launched")
            pending.append((copy, host.fill_(-1), device))

        return copy_

    to, empty = torch.Tensor.to, torch.empty
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda tensor, *args, **options: tensor.clone() if args[0] == "cuda:0" else to(tensor, *args, **options),
    )
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory, **options: empty(*size, **options))
    monkeypatch.setattr(torch.Tensor, "copy_", deferred(torch.Tensor.copy_))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("emptied"))
    return calls


def test_vectors_are_read_after_their_copy_and_after_the_next_launch(cuda_calls):
    result, failed = BatchRunner("cuda:0", BatchLayout(), 0, token_budget=4).run(
        [[r, 9] for r in range(6)], first_ids, 1
    )
    assert (result[:, 0].tolist(), failed) == (list(range(6)), [])
    assert cuda_calls == ["launched", "launched", "waited", "launched", "waited", "waited"]


def test_memory_is_freed_before_a_smaller_batch_is_tried(cuda_calls):
    def embed_batch(ids, mask):
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        return first_ids(ids, mask)

    runner = BatchRunner("cuda:0", BatchLayout(), 0, token_budget=1 << 14)
    runner.patience_s = 0
    result, failed = runner.run([[row, 9] for row in range(4)], embed_batch, 1)
    assert (result[:, 0].tolist(), failed, runner.token_budget) == ([0, 1, 2, 3], [], 4)
    assert cuda_calls == ["emptied", "launched", "launched", "waited", "waited"]
