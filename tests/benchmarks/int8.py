"""Measure what 8-bit integers gain and lose: rows per second, labels, and classifiers trained on their vectors.

The model is calibrated with texts that are not measured. "labels" is the per cent of held-out tweets that keep their
label if a classifier trained on float32 vectors gets those of another precision. "weighted_f1" is that of a classifier
that was trained on vectors of the precision itself. Both are means over three splits.

    python -m tests.benchmarks.int8 --texts tweets.csv --column content --labels sentiment --rows 30000
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from bert_spark.encoding.calibration import calibrate
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.estimators.linear_svc import FastLinearSVC
from tests.benchmarks.harness import MAX_LENGTH, MODEL, alternate, best, parse_arguments, rate, ratio, report

POOLINGS = ("cls", "mean", "model")
CALIBRATION_ROWS, SPEED_ROWS, ALONE_ROWS, SPLITS = 1000, 3000, 200, 3
FLOAT32 = ("float32 torch", "float32 openvino")
INT8 = "int8 openvino"


def encoders_for(pooling, calibrated):
    """Return name -> an encoder of each precision."""
    base = {"pooling": pooling, "device": "cpu"} | ({"max_length": MAX_LENGTH} if pooling != "model" else {})
    settings = {
        FLOAT32[0]: {"model": MODEL},
        FLOAT32[1]: {"model": MODEL, "engine": "openvino"},
        "bfloat16 torch": {"model": MODEL, "precision": "bfloat16"},
        "bfloat16 openvino": {"model": MODEL, "precision": "bfloat16", "engine": "openvino"},
        INT8: {"model": calibrated, "precision": "int8", "engine": "openvino"},
    }
    return {name: BertEncoder.from_config(EncoderConfig(**base, **each)) for name, each in settings.items()}


def judge(vectors, labels):
    """Return name -> weighted F1 of a classifier trained on these vectors, and name -> per cent of equal labels."""
    scores, equal = {name: [] for name in vectors}, {name: [] for name in vectors}
    for seed in range(SPLITS):
        train, test = train_test_split(np.arange(len(labels)), test_size=0.3, random_state=seed, stratify=labels)
        heads = {
            name: FastLinearSVC(class_weight="balanced").fit(each[train], labels[train])
            for name, each in vectors.items()
        }
        exact = heads[FLOAT32[1]]
        expected = exact.predict(vectors[FLOAT32[1]][test])
        for name, each in vectors.items():
            predicted = heads[name].predict(each[test])
            scores[name].append(f1_score(labels[test], predicted, average="weighted"))
            equal[name].append(100 * np.mean(exact.predict(each[test]) == expected))
    return ({name: float(np.mean(each)) for name, each in found.items()} for found in (scores, equal))


def main():
    args = parse_arguments(__doc__, rows=10000, rounds=3, labels="sentiment")
    table = pd.read_csv(args.texts, usecols=[args.column, args.labels], dtype=str).dropna()
    table = table.drop_duplicates(args.column).sample(frac=1, random_state=0)
    samples, table = table[:CALIBRATION_ROWS][args.column].tolist(), table[CALIBRATION_ROWS:][: args.rows]
    texts, labels = table[args.column].tolist(), table[args.labels].to_numpy()
    figures, bars, facts = {}, [], {}
    with tempfile.TemporaryDirectory(prefix="bert_spark-bench-") as folder:
        calibrated = str(Path(folder, "int8"))
        calibrate(EncoderConfig(model=MODEL, max_length=MAX_LENGTH), samples, calibrated)
        for pooling in POOLINGS:
            encoders = encoders_for(pooling, calibrated)
            runs = {n: rate(lambda e=e: e.encode(texts[:SPEED_ROWS]), SPEED_ROWS) for n, e in encoders.items()}
            speeds = alternate(runs, args.rounds)
            figures |= {f"{pooling}, {name}": each for name, each in speeds.items()}
            vectors = {name: each.encode(texts) for name, each in encoders.items() if name != FLOAT32[0]}
            alone = np.concatenate([encoders[INT8].encode([text]) for text in texts[:ALONE_ROWS]])
            scores, equal = judge(vectors, labels)
            change = abs(scores[INT8] - scores[FLOAT32[1]])
            bars += [
                (f"{pooling}, int8 / best float32", ratio(speeds, INT8, best(speeds, FLOAT32)), "at least", 1.5),
                (f"{pooling}, change of weighted F1", change, "at most", 0.003),
                (
                    f"{pooling}, alone / in a batch",
                    float(np.abs(alone - vectors[INT8][:ALONE_ROWS]).max()),
                    "at most",
                    1e-5,
                ),
            ]
            facts[pooling] = {
                name: {"weighted_f1": round(scores[name], 4), "labels": round(equal[name], 1)} for name in scores
            }
    report(args, "int8", "rows per second", figures, bars, **facts)


if __name__ == "__main__":
    main()
