"""Run token windows through a model in batches of a token budget, sorted by length. On a GPU the next batch is launched
before the program waits for the last one's vectors. Knows nothing of texts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bert_spark.encoding.cuda_errors import suppress_out_of_memory

logger = logging.getLogger(__name__)

# (input ids, attention mask), int64, (batch, tokens), on the device -> vectors, (batch, width), there too
EmbedBatch = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
WAIT_FOR_MEMORY_S = 10
SMALL_BATCH_TOKENS = 4096  # padded tokens: a batch that is not itself what a card has no room for
LARGE_BATCH_TOKENS = 16_384  # padded tokens that keep a card at work: from here on a batch ends before it is padding
MIN_REAL_SHARE = 0.9  # real tokens of a batch's, at least


@dataclass(frozen=True)
class BatchLayout:
    """Which rows may stand in one batch.

    Attributes
    ----------
    padded_to
        Tokens of every row after padding; None pads to the longest of the batch.
    alike
        Rows of one length only, so that there is no padding.
    alone
        One row a batch.
    """

    padded_to: int | None = None
    alike: bool = False
    alone: bool = False


@dataclass(frozen=True)
class LaunchedBatch:
    """A batch on its way: which rows, and their vectors in host memory once `ready` has come to pass."""

    rows: np.ndarray
    host: torch.Tensor
    ready: torch.cuda.Event | None

    def wait(self) -> np.ndarray:
        """Wait for the vectors: float32, shape (rows, width)."""
        if self.ready is not None:
            self.ready.synchronize()
        vectors: np.ndarray = self.host.numpy()
        return vectors


class BatchRunner:
    """Batches over one device.

    Parameters
    ----------
    device
        "cpu" or "cuda:N".
    layout
        Which rows may stand together.
    pad_id
        Token id of padding.
    token_budget
        Padded tokens of one batch at most; a single row may have more.

    Attributes
    ----------
    token_budget
        Halved for good whenever memory does not suffice.
    patience
        Seconds to wait, after a batch that fits any card did not, for other processes to give memory back.
    calls
        Of the model so far.
    """

    def __init__(self, device: str, layout: BatchLayout, pad_id: int, token_budget: int) -> None:
        self.device = device
        self.layout = layout
        self.pad_id = pad_id
        self.token_budget = token_budget
        self.patience = WAIT_FOR_MEMORY_S if device.startswith("cuda") else 0
        self.calls = 0

    def run(self, windows: list[list[int]], vectors: EmbedBatch, width: int) -> tuple[np.ndarray, list[int]]:
        """Embed windows: float32, shape (n_windows, width), and the rows that no memory sufficed for, NaN there."""
        result = np.full((len(windows), width), np.nan, dtype=np.float32)
        failed: list[int] = []
        for flight in self._flights(windows, vectors, failed):
            result[flight.rows] = flight.wait()
        return result, failed

    def _flights(self, windows: list[list[int]], vectors: EmbedBatch, failed: list[int]) -> Iterator[LaunchedBatch]:
        """Launch batch by batch; each is given on when the one after it has been launched."""
        lengths = np.array([len(window) for window in windows])
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
        start, left = 0, self.patience
        before: LaunchedBatch | None = None
        while start < len(order):
            batch = order[start : start + self._rows_that_fit(lengths, start)]
            flight = self._launch(batch, windows, vectors)
            if before is not None:
                yield before
            if flight is not None:
                start, left = start + len(batch), self.patience
            elif (
                before is None
                and left
                and len(batch) * self._padded([windows[row] for row in batch]) <= SMALL_BATCH_TOKENS
            ):
                left -= 1
                time.sleep(1)  # others fill the card
            elif before is None:  # with nothing else in flight, it is this batch that is too large
                self._halve([windows[row] for row in batch])
                if len(batch) == 1:
                    failed.append(int(batch[0]))
                    start += 1
            before = flight
        if before is not None:
            yield before

    def _rows_that_fit(self, lengths: np.ndarray, start: int) -> int:
        """Return how many rows make the next batch, of lengths that descend. At least one, however long."""
        longest = lengths[start]
        if self.layout.alone:
            return 1
        rows = max(1, self.token_budget // (self.layout.padded_to or longest))
        there = lengths[start : start + rows]
        if self.layout.alike:
            return int((there == longest).sum())
        if self.layout.padded_to is None:
            padded = longest * np.arange(1, len(there) + 1)
            return int(((padded <= LARGE_BATCH_TOKENS) | (there.cumsum() >= MIN_REAL_SHARE * padded)).sum())
        return len(there)

    def _launch(self, rows: np.ndarray, windows: list[list[int]], vectors: EmbedBatch) -> LaunchedBatch | None:
        """Start one batch; None where memory does not suffice."""
        self.calls += 1
        with suppress_out_of_memory():
            ids, mask = self.pad([windows[row] for row in rows])
            result = vectors(ids, mask).reshape(len(rows), -1).to(torch.float32)
            if not self.device.startswith("cuda"):
                return LaunchedBatch(rows, result.cpu(), None)
            host = torch.empty(result.shape, dtype=torch.float32, pin_memory=True)
            host.copy_(result, non_blocking=True)
            ready = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # else the wait takes a core
            ready.record(torch.cuda.current_stream(torch.device(self.device)))
            return LaunchedBatch(rows, host, ready)
        if self.device.startswith("cuda"):  # the error is gone here, and with it the tensors that it held
            torch.cuda.empty_cache()
        return None

    def _halve(self, batch: list[list[int]]) -> None:
        if len(batch) > 1:
            self.token_budget = max(1, len(batch) * self._padded(batch) // 2)
            logger.warning("out of memory: token budget halved to %d", self.token_budget)

    def _padded(self, batch: list[list[int]]) -> int:
        """Return the tokens of a row after padding."""
        return self.layout.padded_to or max(len(window) for window in batch)

    def pad(self, batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, int64, (rows, tokens), padded on the right: BERT's positions start left."""
        lengths = np.array([len(window) for window in batch])
        mask = np.arange(self._padded(batch)) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = np.concatenate(batch)
        return self._on_device(ids), self._on_device(mask.astype(np.int64))

    def _on_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if not self.device.startswith("cuda"):
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)  # copied while the processor goes on
