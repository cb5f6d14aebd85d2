"""Compare the embed job with what a user would pick instead, from Parquet to Parquet.

These are Daft's embed_text, Ray Data's map_batches and Spark's predict_batch_udf, each over sentence-transformers. All
have the same model with its own recipe, the same texts and the same cores. "whole process" counts from the start of the
process until the table is there; "after its start" is a second job in the same process. Each contender's vectors are
compared with the encoder's before it is timed. Then every engine meets the same faults.

    python -m tests.benchmarks.engines --texts tweets.csv --column content --rows 40000 --peers-python peers/bin/python
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_resolver import resolve_model
from tests.benchmarks.engine_faults import DEFAULT_MODE, fault_table, read_table, write_table
from tests.benchmarks.engine_process import EngineProcess
from tests.benchmarks.harness import MODEL, parse_arguments, ratio, read_tweets, report

OURS = "bert_spark"
ALL = "bert_spark,daft,ray,predict_batch_udf"
NEEDS = {"daft": "daft", "ray": "ray.data", "predict_batch_udf": "pyspark.ml.functions"}
PACKAGES = ("daft", "ray", "pyspark", "sentence-transformers", "transformers", "torch")
CHECKED = 200  # rows whose vectors are compared
LEAST_COSINE = 0.9999
VERSIONS = """
import importlib.metadata as m, json, sys
print(json.dumps({d.metadata["Name"]: d.version for d in m.distributions() if d.metadata["Name"] in sys.argv[1:]}))
"""


def absent_peers(python):
    """Return the contenders whose packages this Python lacks, with the reason."""
    reasons = {}
    for name, module in NEEDS.items():
        code = f"import {module}, sentence_transformers"
        done = subprocess.run([python, "-W", "ignore", "-c", code], capture_output=True, text=True)
        if done.returncode:
            reasons[name] = (done.stderr.strip() or "?").splitlines()[-1]
    return reasons


def least_cosine(vectors, others):
    """Return the least cosine between the rows of two matrices; -1 if a row has no vector."""
    if any(vector is None for vector in others):
        return -1.0
    others = np.array(others, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(others, axis=1)
    return float(((vectors * others).sum(axis=1) / lengths).min())


def same_vectors(open_engine, names, texts, folder):
    """Return the least cosine of each contender's vectors to the encoder's, or the reason why it has none."""
    vectors = BertEncoder.from_config(EncoderConfig(model=MODEL, pooling="model", device="cpu")).encode(texts)
    source, found = write_table(f"{folder}/checked", texts), {}
    for name in names:
        engine, output = open_engine(name), f"{folder}/checked-{name}"
        answer = engine.run(source, output, "overwrite")
        engine.close()
        if isinstance(answer, float):
            ids, theirs = read_table(output)
            complete = sorted(ids) == list(range(len(texts)))
            answer = least_cosine(vectors[ids], theirs) if complete else "rows are missing"
        found[name] = answer
    return found


def timed(open_engine, name, source, output, rows):
    """Return rows per second of the whole process, and of a second job in it."""
    engine = open_engine(name)
    first = engine.run(source, output, "overwrite")
    whole = time.perf_counter() - engine.started
    second = engine.run(source, output, "overwrite")
    engine.close()
    assert isinstance(first, float), f"{name}: {first}"
    assert isinstance(second, float), f"{name}: {second}"
    assert sorted(read_table(output)[0]) == list(range(rows)), f"{name}: rows are missing or doubled"
    return rows / whole, rows / second


def main():
    args = parse_arguments(__doc__, rows=2000, rounds=3, peers_python=sys.executable, fault_rows=2000, engines=ALL)
    folder, model = tempfile.mkdtemp(prefix="bert_spark-bench-"), resolve_model(MODEL)
    log = f"{folder}/log"
    absent = absent_peers(args.peers_python)
    names = [name for name in args.engines.split(",") if name not in absent]

    def open_engine(name):
        return EngineProcess(name, sys.executable if name == OURS else args.peers_python, model, args.threads, log)

    texts = read_tweets(args)
    cosines = same_vectors(open_engine, names, texts[:CHECKED], folder)
    absent |= {name: f"other vectors: {found}" for name, found in cosines.items() if not is_same(found)}
    names = [name for name in names if name not in absent]
    source = write_table(f"{folder}/texts", texts)
    figures = {f"{name}, {which}": [] for which in ("whole process", "after its start") for name in names}
    for _ in range(args.rounds):
        for name in names:
            whole, second = timed(open_engine, name, source, f"{folder}/out-{name}", len(texts))
            figures[f"{name}, whole process"].append(whole)
            figures[f"{name}, after its start"].append(second)
            print(f"{name}: {whole:.1f}, {second:.1f} rows/s", flush=True)
    faults = (
        fault_table(open_engine, names, read_tweets(args, args.fault_rows), f"{folder}/faults")
        if args.fault_rows
        else []
    )
    bars = [
        (f"{OURS} / {name}, {which}", ratio(figures, f"{OURS}, {which}", f"{name}, {which}"), "at least", 1.5)
        for which in ("whole process", "after its start")
        for name in names
        if name != OURS and OURS in names
    ]
    if faults and OURS in names:
        lost, dead = of_ours(faults)
        bars += [(f"rows lost or doubled, {OURS}", lost, "at most", 0), (f"dead jobs, {OURS}", dead, "at most", 0)]
    versions = subprocess.run([args.peers_python, "-c", VERSIONS, *PACKAGES], capture_output=True, text=True).stdout
    facts = {"least_cosine_to_the_encoder": cosines, "not_measured": absent, "faults": faults}
    report(args, "engines", "rows per second", figures, bars, **facts, peers=json.loads(versions or "{}"))
    shutil.rmtree(folder)


def is_same(found):
    return isinstance(found, float) and found >= LEAST_COSINE


def of_ours(faults):
    """Return the rows that our job lost or doubled where it ended, and how often it did not end.

    The output of a job that was killed as a whole does not count. Nor does a refusal to write over it unasked.
    """
    ours = [row for row in faults if row["engine"] == OURS]
    wrong = [row[name] for row in ours if row["job"] == "ends" for name in ("rows lost", "rows doubled")]
    dead = [row for row in ours if row["job"].startswith("dead") and row["fault"] != DEFAULT_MODE]
    return sum(math.inf if number == "unreadable" else number for number in wrong), len(dead)


if __name__ == "__main__":
    main()
