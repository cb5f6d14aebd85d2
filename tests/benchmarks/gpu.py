"""Measure the encoder on a GPU, without Spark.

Gives rows per second, the share of the GPU's own matrix-multiply limit, the share of time in which the GPU is idle, and
the rows per second of tokenization alone.

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
    matmul_limit,
    operations,
    parse_arguments,
    rate,
    ratio,
    read_tweets,
    report,
)

SHAPES = {"a batch's": (65_536, 384, 1536), "the card's": (8192, 8192, 8192)}


def idle_share(encoder, texts):
    """Return the share of the time in which no kernel and no copy ran on the GPU, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        started = time.perf_counter()
        encoder.encode_rows(texts)
        torch.cuda.synchronize()
        wall = time.perf_counter() - started
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    busy, until = 0.0, 0.0
    for start, end in spans:  # kernels of two streams may overlap: count that time once
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return 1 - busy / 1e6 / wall


def limit_name(name, shape):
    return f"matmul {name}, {shape} shape, GFLOP/s"


def memory_in_use(encoders):
    """Return the bytes of tensors on the GPU besides the weights, and all bytes that torch has reserved there."""
    torch._C._cuda_clearCublasWorkspaces()  # cuBLAS has one for each thread that ran
    weights = 0
    for encoder in encoders.values():
        modules = list(encoder.loaded.model.modules())
        weights += 4 * sum(p.numel() for p in modules[0].parameters())
        if encoder.config.precision != "float32":  # a second copy of the linear layers, in half precision
            weights += 2 * sum(p.numel() for m in modules if isinstance(m, torch.nn.Linear) for p in m.parameters())
    return {"beside_weights": torch.cuda.memory_allocated() - weights, "reserved": torch.cuda.memory_reserved()}


def main():
    args = parse_arguments(__doc__, rows=100_000, rounds=3)
    if not torch.cuda.is_available():
        print("torch sees no GPU here: there is nothing to measure")
        sys.exit(0)
    texts = read_tweets(args)
    precisions = ["float32", "float16", *(["bfloat16"] if torch.cuda.get_device_capability()[0] >= 8 else [])]
    encoders = {
        name: BertEncoder.from_config(EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cuda", precision=name))
        for name in precisions
    }
    tokenizer, step = encoders["float32"].text_tokenizer, encoders["float32"].window_rows
    contenders = {name: rate(lambda e=e: e.encode_rows(texts), len(texts)) for name, e in encoders.items()}
    contenders["tokenising alone"] = rate(
        lambda: [tokenizer.tokenize(texts[i : i + step]) for i in range(0, len(texts), step)], len(texts)
    )
    contenders |= {
        limit_name(name, shape): matmul_limit(getattr(torch, name), "cuda", size)
        for name in precisions
        for shape, size in SHAPES.items()
    }
    figures = alternate(contenders, args.rounds)
    del contenders  # frees the matrices of the limits before memory is measured
    model = encoders["float32"].loaded.model
    gflop = operations([len(window) for window in tokenizer.tokenize(texts).windows], model.config) / len(texts) / 1e9
    report(
        args,
        "gpu",
        "rows per second",
        figures,
        share_of_limit={
            shape: {name: round(ratio(figures, name, limit_name(name, shape)) * gflop, 4) for name in precisions}
            for shape in SHAPES
        },
        idle_share={name: round(idle_share(encoder, texts), 4) for name, encoder in encoders.items()},
        token_budget={name: encoder.batch_runner.token_budget for name, encoder in encoders.items()},
        bytes_kept=memory_in_use(encoders),
    )


if __name__ == "__main__":
    main()
