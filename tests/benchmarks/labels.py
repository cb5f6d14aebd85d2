"""Measure whether another precision or engine changes labels.

A LinearSVC trained on float32 vectors labels held-out tweets from the vectors of each engine.

    python -m tests.benchmarks.labels --texts tweets.csv --column content --labels sentiment [--device cuda]
"""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.svm import LinearSVC

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import pick_device
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_loader import load_model
from tests.benchmarks import peers
from tests.benchmarks.encoder import OURS, cosine
from tests.benchmarks.harness import MAX_LENGTH, MODEL, parse_arguments, report


def main():
    args = parse_arguments(__doc__, rows=6000, rounds=1, labels="sentiment", device="cpu")
    table = pd.read_csv(args.texts, usecols=[args.column, args.labels], dtype=str).dropna()
    table = table.drop_duplicates(args.column).sample(frac=1, random_state=0)[: args.rows]
    texts, labels = table[args.column].tolist(), table[args.labels].to_numpy()
    train = len(texts) * 2 // 3
    config = EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device=args.device)
    loaded = load_model(config, pick_device(args.device))
    exact = BertEncoder(loaded, config).encode(texts)
    head = LinearSVC(C=1.0, class_weight="balanced").fit(exact[:train], labels[:train])
    expected = head.predict(exact[train:])
    makers = {n: lambda s=s: BertEncoder(loaded, dataclasses.replace(config, **s)) for n, s in OURS.items() if s}
    if args.device != "cpu":
        makers = {n: make for n, make in makers.items() if OURS[n].get("engine") != "openvino"}
    makers |= {n: make for n, make in peers.SENTENCE.items() if "bfloat16" in n or "int8" in n}
    encoders, absent = peers.available(makers)
    agreement, cosines, least = {}, {}, {}
    for name, encoder in encoders.items():
        vectors = np.asarray(encoder.encode(texts[train:]), dtype=np.float32)
        agreement[name] = [100 * float(np.mean(head.predict(vectors) == expected))]
        cosines[name] = cosine(vectors, exact[train:])
        least[name] = round(float(np.abs(vectors - exact[train:]).max()), 6)
    bars = [(f"{n}, labels equal", each[0] / 100, "at least", 0.99) for n, each in agreement.items()]
    bars += [(f"{n}, mean cosine", cosines[n], "at least", 0.9999) for n in agreement]
    facts = {"mean_cosine": cosines, "largest_difference": least, "not_measured": absent}
    report(args, "labels", "per cent of labels equal to float32's", agreement, bars, held_out=len(expected), **facts)


if __name__ == "__main__":
    main()
