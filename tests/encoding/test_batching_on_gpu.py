"""Batches on a card: what is launched, waited for and given back. No card needed: torch's side of it is faked."""

import pytest
import torch

from bert_spark.encoding.batching import BatchLayout, BatchRunner


def first_ids(ids, mask):
    return ids[:, :1].float()


@pytest.fixture
def card(monkeypatch):
    """The thinnest card: what is copied back from it is there once an event behind the copy has come to pass."""
    under_way, seen = [], []

    class Event:
        def __init__(self, blocking):
            assert blocking  # else a core waits at full speed

        def record(self, stream):
            self.copies = under_way[:]
            under_way.clear()

        def synchronize(self):
            seen.append("waited")
            for copy, host, device in self.copies:
                copy(host, device)

    def later(copy):
        def copy_(host, device, non_blocking=False):
            assert non_blocking
            seen.append("launched")
            under_way.append((copy, host.fill_(-1), device))

        return copy_

    to, empty = torch.Tensor.to, torch.empty
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda tensor, *where, **options: tensor.clone() if where[0] == "cuda:0" else to(tensor, *where, **options),
    )
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory, **options: empty(*size, **options))
    monkeypatch.setattr(torch.Tensor, "copy_", later(torch.Tensor.copy_))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append("emptied"))
    return seen


def test_on_a_card_vectors_are_read_once_their_copy_is_there_and_the_next_batch_is_launched_before(card):
    result, failed = BatchRunner("cuda:0", BatchLayout(), 0, token_budget=4).run(
        [[r, 9] for r in range(6)], first_ids, 1
    )
    assert (result[:, 0].tolist(), failed) == (list(range(6)), [])
    assert card == ["launched", "launched", "waited", "launched", "waited", "waited"]


def test_on_a_card_memory_is_given_back_before_a_smaller_batch_is_tried(card):
    def vectors(ids, mask):
        if len(ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        return first_ids(ids, mask)

    runner = BatchRunner("cuda:0", BatchLayout(), 0, token_budget=1 << 14)
    runner.patience = 0
    result, failed = runner.run([[row, 9] for row in range(4)], vectors, 1)
    assert (result[:, 0].tolist(), failed, runner.token_budget) == ([0, 1, 2, 3], [], 4)
    assert card == ["emptied", "launched", "launched", "waited", "waited"]
