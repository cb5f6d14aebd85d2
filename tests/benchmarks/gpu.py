"""Rows per second on a card, without Spark, the share of the card's own matrix-multiply limit, and the share of time in
which the card has nothing to do. Beside them what tokenising alone allows.

    python -m tests.benchmarks.gpu --texts tweets.csv --column content --rows 100000
"""

import sys
import time

import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
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

SHAPES = {"a batch's": (65_536, 384, 1536), "the card's": (8192, 8192, 8192)}


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


def limit(name, shape):
    return f"matmul {name}, {shape} shape, GFLOP/s"


def kept(encoders):
    """Return bytes that torch's tensors hold on the card beside weights, and all that it has reserved of the card."""
    torch._C._cuda_clearCublasWorkspaces()  # of the library, one a thread that ran
    weights = 0
    for encoder in encoders.values():
        modules = list(encoder.loaded.model.modules())
        weights += 4 * sum(p.numel() for p in modules[0].parameters())
        if encoder.config.precision != "float32":  # the linear layers once more, in half precision
            weights += 2 * sum(p.numel() for m in modules if isinstance(m, torch.nn.Linear) for p in m.parameters())
    return {"beside_weights": torch.cuda.memory_allocated() - weights, "reserved": torch.cuda.memory_reserved()}


def main():
    given = arguments(__doc__, rows=100_000, rounds=3)
    if not torch.cuda.is_available():
        print("torch sees no GPU here: there is nothing to measure")
        sys.exit(0)
    texts = some_tweets(given)
    precisions = ["float32", "float16", *(["bfloat16"] if torch.cuda.get_device_capability()[0] >= 8 else [])]
    encoders = {
        name: BertEncoder.from_config(EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cuda", precision=name))
        for name in precisions
    }
    reader, step = encoders["float32"].reader, encoders["float32"].window_rows
    contenders = {name: rate(lambda e=e: e.encode_rows(texts), len(texts)) for name, e in encoders.items()}
    contenders["tokenising alone"] = rate(
        lambda: [reader.read(texts[i : i + step]) for i in range(0, len(texts), step)], len(texts)
    )
    contenders |= {
        limit(name, shape): matmul_limit(getattr(torch, name), "cuda", size)
        for name in precisions
        for shape, size in SHAPES.items()
    }
    figures = alternate(contenders, given.rounds)
    del contenders  # and the limits' matrices with them, before memory is read
    model = encoders["float32"].loaded.model
    gflop = operations([len(window) for window in reader.read(texts).windows], model.config) / len(texts) / 1e9
    report(
        given,
        "gpu",
        "rows per second",
        figures,
        share_of_limit={
            shape: {name: round(ratio(figures, name, limit(name, shape)) * gflop, 4) for name in precisions}
            for shape in SHAPES
        },
        idle_share={name: round(idle_share(encoder, texts), 4) for name, encoder in encoders.items()},
        token_budget={name: encoder.batches.token_budget for name, encoder in encoders.items()},
        bytes_kept=kept(encoders),
    )


if __name__ == "__main__":
    main()
