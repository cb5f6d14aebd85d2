"""Run token windows through a model in batches of a token budget, sorted by length. Knows nothing of texts.

On a GPU the next batch is launched before the program waits for the vectors of the last one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bert_spark.encoding.cuda_errors import suppress_out_of_memory

logger = logging.getLogger(__name__)

# (input ids, attention mask), int64, (batch, tokens), on the device -> vectors, (batch, width), on the device
EmbedBatch = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
WAIT_FOR_MEMORY_S = 10
SMALL_BATCH_TOKENS = 4096  # padded tokens that every GPU has memory for, unless other processes fill it
LARGE_BATCH_TOKENS = 16_384  # padded tokens that keep a GPU busy; only larger batches end early to avoid padding
MIN_REAL_SHARE = 0.9  # smallest share of tokens that are not padding, in such a large batch


@dataclass(frozen=True)
class BatchLayout:
    """Rules for the rows of one batch.

    Attributes
    ----------
    padded_to
        Tokens of every row after padding. None pads to the longest row of the batch.
    equal_lengths
        Whether all rows of a batch must have the same length, so that there is no padding.
    one_row
        Whether every row is a batch of its own.
    """

    padded_to: int | None = None
    equal_lengths: bool = False
    one_row: bool = False


@dataclass(frozen=True)
class LaunchedBatch:
    """A batch that may still be running.

    Attributes
    ----------
    rows
        Numbers of the token windows in the batch.
    vectors
        float32, shape (rows, width), in host memory. Valid once `ready` has happened.
    ready
        The CUDA event after the copy to the host; None on a CPU, where the vectors are already valid.
    """

    rows: np.ndarray
    vectors: torch.Tensor
    ready: torch.cuda.Event | None

    def wait(self) -> np.ndarray:
        """Wait for the vectors and return them: float32, shape (rows, width)."""
        if self.ready is not None:
            self.ready.synchronize()
        vectors: np.ndarray = self.vectors.numpy()
        return vectors


class BatchRunner:
    """Form batches and run them on one device.

    Parameters
    ----------
    device
        "cpu" or "cuda:N".
    layout
        Rules for the rows of one batch.
    pad_id
        Token id of padding.
    token_budget
        Largest number of padded tokens in one batch. A single row may have more.

    Attributes
    ----------
    token_budget
        As passed, and halved for good each time a batch does not fit into memory.
    patience_s
        Seconds to wait for other processes to free GPU memory, after a batch that fits on any GPU did not fit.
    calls
        Number of calls of the model so far.
    """

    def __init__(self, device: str, layout: BatchLayout, pad_id: int, token_budget: int) -> None:
        self.device = device
        self.layout = layout
        self.pad_id = pad_id
        self.token_budget = token_budget
        self.patience_s = WAIT_FOR_MEMORY_S if device.startswith("cuda") else 0
        self.calls = 0

    def run(self, windows: list[list[int]], embed_batch: EmbedBatch, width: int) -> tuple[np.ndarray, list[int]]:
        """Embed token windows.

        Returns
        -------
        vectors
            float32, shape (n_windows, width).
        failed
            Numbers of the windows that did not fit into memory even alone. Their vectors are NaN.
        """
        vectors = np.full((len(windows), width), np.nan, dtype=np.float32)
        failed: list[int] = []
        for launched in self._launch_all(windows, embed_batch, failed):
            vectors[launched.rows] = launched.wait()
        return vectors, failed

    def _launch_all(
        self, windows: list[list[int]], embed_batch: EmbedBatch, failed: list[int]
    ) -> Iterator[LaunchedBatch]:
        """Launch all batches in turn. Yield each of them after the next one has been launched."""
        lengths = np.array([len(window) for window in windows])
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
        start, waits_left = 0, self.patience_s
        previous: LaunchedBatch | None = None
        while start < len(order):
            rows = order[start : start + self._rows_that_fit(lengths, start)]
            batch = [windows[row] for row in rows]
            launched = self._launch(rows, batch, embed_batch)
            if previous is not None:
                yield previous
            if launched is not None:
                start, waits_left = start + len(rows), self.patience_s
            elif previous is None:  # else the previous batch held memory: try again without it
                if waits_left and len(batch) * self._padded_length(batch) <= SMALL_BATCH_TOKENS:
                    waits_left -= 1
                    time.sleep(1)  # so small a batch fits unless other processes fill the GPU
                else:
                    self._halve_budget(batch)
                    if len(batch) == 1:
                        failed.append(int(rows[0]))
                        start += 1
            previous = launched
        if previous is not None:
            yield previous

    def _rows_that_fit(self, lengths: np.ndarray, start: int) -> int:
        """Return the number of rows in the next batch, at least 1. `lengths` are in descending order."""
        longest = lengths[start]
        if self.layout.one_row:
            return 1
        rows = max(1, self.token_budget // (self.layout.padded_to or longest))
        candidates = lengths[start : start + rows]
        if self.layout.equal_lengths:
            return int((candidates == longest).sum())
        if self.layout.padded_to is None:
            padded = longest * np.arange(1, len(candidates) + 1)
            little_padding = candidates.cumsum() >= MIN_REAL_SHARE * padded
            return int(((padded <= LARGE_BATCH_TOKENS) | little_padding).sum())
        return len(candidates)

    def _launch(self, rows: np.ndarray, batch: list[list[int]], embed_batch: EmbedBatch) -> LaunchedBatch | None:
        """Start one batch. Return None if it does not fit into memory."""
        self.calls += 1
        with suppress_out_of_memory():
            ids, mask = self.pad(batch)
            result = embed_batch(ids, mask).reshape(len(batch), -1).to(torch.float32)
            if not self.device.startswith("cuda"):
                return LaunchedBatch(rows, result.cpu(), None)
            host_vectors = torch.empty(result.shape, dtype=torch.float32, pin_memory=True)
            host_vectors.copy_(result, non_blocking=True)
            # blocking=True: a thread that waits for the event sleeps, instead of keeping a core busy
            ready = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            ready.record(torch.cuda.current_stream(torch.device(self.device)))
            return LaunchedBatch(rows, host_vectors, ready)
        if self.device.startswith("cuda"):  # the error and the tensors that its traceback held are gone here
            torch.cuda.empty_cache()
        return None

    def _halve_budget(self, batch: list[list[int]]) -> None:
        if len(batch) > 1:
            self.token_budget = max(1, len(batch) * self._padded_length(batch) // 2)
            logger.warning("out of memory: token budget halved to %d", self.token_budget)

    def _padded_length(self, batch: list[list[int]]) -> int:
        """Return the tokens of each row after padding."""
        return self.layout.padded_to or max(len(window) for window in batch)

    def pad(self, batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask of a batch: int64, shape (rows, tokens), on the device.

        Padding is on the right, since BERT counts positions from the left.
        """
        lengths = np.array([len(window) for window in batch])
        mask = np.arange(self._padded_length(batch)) < lengths[:, None]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = np.concatenate(batch)
        return self._to_device(ids), self._to_device(mask.astype(np.int64))

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if not self.device.startswith("cuda"):
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)  # the CPU goes on while this is copied
