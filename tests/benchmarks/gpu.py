"""Rows per second on a card, without Spark, the share of the card's own matrix-multiply limit, and the share of time in
which the card has nothing to do.

    python -m tests.benchmarks.gpu --texts tweets.csv --column content --rows 40000
"""

import sys
import time

import torch

from bert_spark.config import EncoderConfig
from bert_spark.encoder import BertEncoder
from tests.benchmarks.harness import (
    MAX_LENGTH,
    MODEL,
    alternate,
    arguments,
    matmul_limit,
    operations,
    rate,
    ratio,
    report,
)
from tests.benchmarks.harness import tweets as some_tweets

PRECISIONS = ("float32", "bfloat16", "float16")


def idle_share(encoder, texts):
    """Return the share of the time in which no kernel and no copy ran on the card, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        started = time.perf_counter()
        encoder.encode_rows(texts)
        torch.cuda.synchronize()
        wall = time.perf_counter() - started
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    busy, until = 0.0, 0.0
    for start, end in spans:  # kernels of two streams may run at once: count the time, not the kernels
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return 1 - busy / 1e6 / wall


def main():
    given = arguments(__doc__, rows=40_000, rounds=5)
    if not torch.cuda.is_available():
        print("torch sees no GPU here: there is nothing to measure")
        sys.exit(0)
    texts = some_tweets(given)
    limits = {name: f"matmul limit {name}, GFLOP/s" for name in PRECISIONS}
    encoders = {
        name: BertEncoder.from_config(EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cuda", precision=name))
        for name in PRECISIONS
    }
    contenders = {name: rate(lambda e=e: e.encode_rows(texts), len(texts)) for name, e in encoders.items()}
    contenders |= {limits[name]: matmul_limit(getattr(torch, name), "cuda", (65_536, 384, 1536)) for name in PRECISIONS}
    figures = alternate(contenders, given.rounds)
    del contenders  # and the limits' matrices with them, before memory is read
    windows = encoders["float32"].reader.read(texts).windows
    model = encoders["float32"].loaded.model
    gflop = operations([len(window) for window in windows], model.config) / len(texts) / 1e9
    held = torch.cuda.memory_allocated() - len(encoders) * sum(p.numel() * 4 for p in model.parameters())
    report(
        given,
        "gpu",
        "rows per second",
        figures,
        share_of_limit={name: round(ratio(figures, name, limits[name]) * gflop, 4) for name in PRECISIONS},
        idle_share={name: round(idle_share(encoder, texts), 4) for name, encoder in encoders.items()},
        token_budget={name: encoder.batches.token_budget for name, encoder in encoders.items()},
        bytes_kept_beside_weights=held,
    )


if __name__ == "__main__":
    main()
