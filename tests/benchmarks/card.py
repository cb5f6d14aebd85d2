"""What a GPU could do, by arithmetic, and what the work around the model takes here, by measurement.

The measurement is on one core: microseconds of CPU per tweet of each step of a Python worker, and of the library
tokenizers alone. The arithmetic is for MiniLM-L6 and BERT-base on an H100 and an H200. Nothing runs on a GPU.

    python -m tests.benchmarks.card --texts tweets.csv --column content --rows 40000
"""

import dataclasses
import math
import os
import statistics
import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.tokenization import TextTokenizer
from bert_spark.spark.udf import embed_windows, freeze_loaded_objects
from tests.benchmarks.fakes import FreeEncoder
from tests.benchmarks.harness import MAX_LENGTH, MODEL, alternate, operations, parse_arguments, read_tweets, report

# Dense bfloat16 and float16 operations and memory bytes a second, of the SXM cards: NVIDIA's data sheets.
CARDS = {"H100": (989e12, 3.35e12), "H200": (989e12, 4.8e12)}
SHARE = 0.5  # of both, an assumption: `tests.benchmarks.gpu` measures the share
LAUNCH_S = 10e-6  # CPU time of one operation of PyTorch that launches a kernel, an assumption
MODELS = {
    "MiniLM-L6": SimpleNamespace(hidden_size=384, intermediate_size=1536, num_hidden_layers=6),
    "BERT-base": SimpleNamespace(hidden_size=768, intermediate_size=3072, num_hidden_layers=12),
}
TOKENS = (25, 50)
TOKENISING, ANEW, WORKER = "tokenising", "tokenising, no word remembered yet", "all of the worker but the model"
BATCH_TOKENS = 65_536
# Numbers of the hidden size that one token reads and writes in a layer without fused kernels: query, key and value 4,
# attention 4, its output 2, sum and norm 5, feed-forward 5, GELU 8, feed-forward 5, sum and norm 5.
NUMBERS_A_LAYER = 38
PUBLISHED = 1.4e6  # tokens a second, Arctic Inference on one H200, 50 tokens a text, a model of BERT-base's size


class OperationCount(TorchDispatchMode):
    """Counts the operations of PyTorch that compute something: on a GPU each of them launches a kernel or more."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def on_one_gpu(config, tokens, card, launches):
    """Return what one card does with texts of so many tokens, by arithmetic."""
    peak, bandwidth = CARDS[card]
    gflop = operations([tokens], config) / 1e9
    parameters = config.num_hidden_layers * (
        4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    )
    moved = tokens * config.num_hidden_layers * NUMBERS_A_LAYER * config.hidden_size * 2
    computing, moving = peak * SHARE / (gflop * 1e9), bandwidth * SHARE / moved
    texts = min(computing, moving)
    batch_s = BATCH_TOKENS / tokens / texts
    return {
        "GFLOP a text": round(gflop, 2),
        "MB of weights": round(parameters * 2 / 1e6),
        "MB moved a text": round(moved / 1e6, 1),
        "texts/s by operations": round(computing),
        "texts/s by memory": round(moving),
        "texts/s": round(texts),
        "tokens/s": round(texts * tokens),
        "ms a batch": round(batch_s * 1e3, 2),
        "ms of launches": round(launches * LAUNCH_S * 1e3, 2),
    }


def cpu(work, rows):
    """Return a contender that measures the microseconds of CPU that `work` takes per row."""

    def run():
        started = time.process_time()
        work()
        return (time.process_time() - started) / rows * 1e6

    return run


def without_model(encoder):
    """Let the encoder return vectors of zeros, at no cost, in place of the model's."""
    zeros = torch.zeros(1, encoder.width)
    free = lambda ids, mask: zeros.expand(len(ids), -1)  # noqa: E731
    encoder._setup = dataclasses.replace(encoder._setup, embed_batch=free)


def main():
    args = parse_arguments(__doc__, rows=40_000, rounds=3)
    torch.set_num_threads(1)
    os.environ["RAYON_NUM_THREADS"] = "1"  # threads of the library tokenizers
    texts = read_tweets(args)
    encoder = BertEncoder.from_config(EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cpu"))
    with OperationCount() as operations_of_model:
        encoder._setup.embed_batch(*encoder.batch_runner.pad(encoder.text_tokenizer.tokenize(texts[:8]).windows))
    layers = encoder.loaded.model.config.num_hidden_layers
    without_model(encoder)
    encoder.batch_runner.token_budget = BATCH_TOKENS
    step = encoder.window_rows
    windows = [texts[start : start + step] for start in range(0, len(texts), step)]
    columns = [pa.array(window) for window in windows]
    tokens = [encoder.text_tokenizer.tokenize(window).windows for window in windows]
    lengths = [len(window) for each in tokens for window in each]
    rust = encoder.text_tokenizer.tokenizer.backend_tokenizer
    free = FreeEncoder(encoder.width)
    free.window_rows = step

    def each(work, items):
        return cpu(lambda: [work(item) for item in items], len(texts))

    def tokenise_anew():
        tokenizer = TextTokenizer(encoder.text_tokenizer.tokenizer, MAX_LENGTH)  # it remembers no word
        for window in windows:
            tokenizer.tokenize(window)

    def worker(encoder):
        return cpu(lambda: list(embed_windows(((column,) for column in columns), encoder)), len(texts))

    contenders = {
        "Arrow to texts": each(lambda column: column.drop_null().to_pylist(), columns),
        TOKENISING: each(encoder.text_tokenizer.tokenize, windows),
        ANEW: cpu(tokenise_anew, len(texts)),
        "the library tokenizers alone": each(lambda w: rust.encode_batch_fast(w, add_special_tokens=False), windows),
        "deduplicating and tokenising": each(encoder._tokenize, windows),
        "batches and tensors": each(lambda t: encoder._run(t), tokens),
        "Arrow to texts, vectors to Arrow": worker(free),
        WORKER: worker(encoder),
    }
    freeze_loaded_objects()  # as a worker does
    figures = alternate(contenders, args.rounds)
    median = {name: statistics.median(each) for name, each in figures.items()}
    mean_tokens = float(np.mean(lengths))
    around = median[WORKER]
    arithmetic = {}
    for name, config in MODELS.items():
        launches = operations_of_model.count / layers * config.num_hidden_layers
        for length in TOKENS:
            for card in CARDS:
                row = on_one_gpu(config, length, card, launches)
                row["texts/s of one worker"] = round(1e6 / (around * length / mean_tokens))
                row["workers to keep it busy"] = math.ceil(row["texts/s"] / row["texts/s of one worker"])
                row["of the published"] = round(row["tokens/s"] / PUBLISHED, 1)
                arithmetic[f"{name}, {length} tokens, {card}"] = row
    bars = [(f"tweets/s of two workers, {name}", 2e6 / median[name], "at least", 60_000) for name in (TOKENISING, ANEW)]
    facts = {"tokens_a_tweet": round(mean_tokens, 1), "operations_of_the_model": operations_of_model.count}
    report(args, "card", "microseconds of CPU per tweet", figures, bars, arithmetic=Arithmetic(arithmetic), **facts)


class Arithmetic(dict):
    """Rows by name, shown as one table a row."""

    def __str__(self):
        names = next(iter(self.values()))
        width = max(map(len, names))
        lines = [f"{'':{width}}" + "".join(f"{name:>28}" for name in self)]
        lines += [f"{name:{width}}" + "".join(f"{row[name]:>28,}" for row in self.values()) for name in names]
        return "\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
