"""Measure rows per second of the encoder and of other ways to the same vectors, in one process.

Also gives the share of the machine's own matrix-multiply limit that the encoder reaches.

    python -m tests.benchmarks.encoder --texts tweets.csv --column content --json output/bench
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model
from bert_spark.versions import installed, versions
from tests.benchmarks import peers
from tests.benchmarks.harness import (
    MAX_LENGTH,
    MODEL,
    PEERS,
    alternate,
    best,
    matmul_limit,
    operations,
    parse_arguments,
    rate,
    ratio,
    read_tweets,
    report,
)

OURS = {
    "ours torch": {},
    "ours openvino": {"engine": "openvino"},
    "ours torch bfloat16": {"precision": "bfloat16"},
    "ours openvino bfloat16": {"precision": "bfloat16", "engine": "openvino"},
    "ours torch float16": {"precision": "float16"},
}
LIMIT, LIMIT_16 = "matmul limit float32, GFLOP/s", "matmul limit bfloat16, GFLOP/s"


def main():
    # with fewer rows than a window holds, batches have more padding
    args = parse_arguments(__doc__, rows=3000, rounds=3, slow_rows=250)
    texts = read_tweets(args)
    few = texts[: args.slow_rows]
    config = EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cpu")
    loaded = load_model(config, "cpu")
    encoders, absent = peers.available(
        {name: lambda s=s: BertEncoder(loaded, dataclasses.replace(config, **s)) for name, s in OURS.items()}
    )
    sentence, also_absent = peers.available(peers.SENTENCE)
    vectors = {name: encoder.encode(few) for name, encoder in encoders.items()}
    vectors |= {name: model.encode(few) for name, model in sentence.items()}
    contenders = {
        "one at a time": rate(peers.one_at_a_time(few), len(few)),
        "transformers pipeline": rate(peers.pipeline(few), len(few)),
        **{n: rate(lambda m=m: m.encode(texts, batch_size=peers.BATCH), len(texts)) for n, m in sentence.items()},
        **{n: rate(lambda e=e: e.encode(texts), len(texts)) for n, e in encoders.items()},
        LIMIT: matmul_limit(),
        LIMIT_16: matmul_limit(torch.bfloat16),
    }
    figures = alternate(contenders, args.rounds)
    lengths = [len(window) for window in encoders["ours torch"].text_tokenizer.tokenize(texts).windows]
    gflop = operations(lengths, loaded.model.config) / len(texts) / 1e9
    half, exact = best(figures, [name for name in OURS if "bfloat16" in name]), best(figures, list(OURS)[:2])
    half_precision = [name for name in OURS if "16" in name]
    left_out = engines_with_other_labels(args.json, [*half_precision, *list(peers.SENTENCE)[3:]])
    ours, theirs = [n for n in OURS if n not in left_out], [n for n in peers.SENTENCE if n not in left_out]
    theirs_exact = best(figures, list(peers.SENTENCE)[:3])
    bars = [
        ("ours torch / one at a time", ratio(figures, "ours torch", "one at a time"), "at least", 3.3),
        ("ours openvino / one at a time", ratio(figures, "ours openvino", "one at a time"), "at least", 4.4),
        ("ours torch / theirs torch", ratio(figures, "ours torch", "sentence-transformers torch"), "at least", 1.4),
        ("best float32 / their best float32", ratio(figures, exact, theirs_exact), "at least", 1.4),
        ("best / their best", ratio(figures, best(figures, ours), best(figures, theirs)), "at least", 1.4),
        ("bfloat16 / float32, same engine", ratio(figures, half, half.removesuffix(" bfloat16")), "at least", 1.8),
        ("share of the float32 limit", ratio(figures, exact, LIMIT) * gflop, "at least", 0.85),
        ("share of the bfloat16 limit", ratio(figures, half, LIMIT_16) * gflop, "at least", 0.70),
    ]
    report(
        args,
        "encoder",
        "rows per second",
        figures,
        bars,
        gflop_a_row=round(gflop, 4),
        tokens_a_row=round(float(np.mean(lengths)), 2),
        mean_cosine_to_float32={name: cosine(each, vectors["ours torch"]) for name, each in vectors.items()},
        per_cent_of_labels_of_those_left_out_of_the_best=left_out,
        texts={"one at a time, pipeline": len(few), "others": len(texts)},
        not_measured=absent | also_absent,
    )


def engines_with_other_labels(folder, inexact):
    """Return the `inexact` engines of which less than 99 per cent of the labels equal float32's -> per cent.

    An engine that the benchmark `labels` has not measured with these versions -> "not measured".
    """
    path = Path(folder or "") / "labels.json"
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"versions": {}, "figures": {}}
    figures = measured["figures"] if measured["versions"] == versions() | installed(PEERS) else {}
    shares = {name: round(figures[name]["median"], 1) if name in figures else "not measured" for name in inexact}
    return {name: share for name, share in shares.items() if share == "not measured" or share < 99}


def cosine(a, b):
    """Return the mean cosine of the rows of two matrices."""
    return round(float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()), 6)


if __name__ == "__main__":
    main()
