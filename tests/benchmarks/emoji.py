"""Measure what an emoji at the end of each tweet does to labels, under each cleaning.

    python -m tests.benchmarks.emoji --texts tweets.csv --column content --labels sentiment

Prints how many tweets the cleanings treat differently. Then every fifth tweet gets an emoji, without a space.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.text_cleaning import prepare_text
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.training.examples import Examples
from bert_spark.training.splits import split_examples

EMOJI = "😀😂😭😍🔥🙏💔✨"
HEADS = {"balanced, C = 1": {"C": 1.0, "class_weight": "balanced"}, "no class weights, C = .01": {"C": 0.01}}


def scores(texts, labels, vectors):
    """Return weighted F1 of the validation and of the test rows, for each classifier."""
    parts = split_examples(Examples(texts=texts, labels=labels, vectors=vectors), 0)
    for options in HEADS.values():
        head = FastLinearSVC(**options).fit(parts["train"].vectors, parts["train"].labels)
        f1 = [
            f1_score(parts[name].labels, head.predict(parts[name].vectors), average="weighted", zero_division=0)
            for name in ("validation", "test")
        ]
        yield " / ".join(f"{value:.3f}" for value in f1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("texts", "column", "labels"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--every", type=int, default=5, help="use every n-th tweet")
    args = parser.parse_args()
    table = pd.read_csv(args.texts, usecols=[args.column, args.labels], dtype=str).dropna()
    whole = table[args.column].tolist()
    changed = sum(prepare_text(text, "tweets") != prepare_text(text, "tweets+emoji") for text in whole)
    print(f"tweets that the cleanings treat differently: {changed} of {len(whole)}\n")
    table = table[:: args.every]
    texts, labels = table[args.column].tolist(), table[args.labels].to_numpy()
    stuck = [text.rstrip() + EMOJI[i % len(EMOJI)] for i, text in enumerate(texts)]
    print(
        "| tweets | clean | unknown tokens | " + " | ".join(f"{p}, {h}" for p in ("cls", "mean") for h in HEADS) + " |"
    )
    print("|---" * 7 + "|")
    for name, given, clean in (
        ("as they are", texts, "tweets"),
        ("with an emoji", stuck, "tweets"),
        ("with an emoji", stuck, "tweets+emoji"),
    ):
        encoded = BertEncoder.from_config(EncoderConfig(clean=clean, pooling="cls+mean", device="cpu")).encode_rows(
            given
        )
        cls, mean = np.split(encoded.vectors, 2, axis=1)
        cells = [*scores(texts, labels, cls), *scores(texts, labels, mean)]
        print(f"| {name} | {clean} | {100 * encoded.unknown_share.mean():.1f} % | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
