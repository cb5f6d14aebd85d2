"""Score vectors that are already there: the whole score job on Spark, after its start-up, and scikit-learn alone.

python -m tests.benchmarks.stored_vectors --rows 40000 --width 384
"""

import contextlib
import io
import os
import shutil
import statistics
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bert_spark import BertTransformer, EncoderConfig, save_artefact
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.precomputed import PrecomputedVectors
from bert_spark.tables.provenance import vector_metadata
from jobs.score import score
from tests.benchmarks.harness import MODEL, alternate, parse_arguments, rate, ratio, read_tweets, report
from tests.benchmarks.sessions import local_session

CLASSES, FILES = 13, 16
LARGE_ROWS = 1_000_000


def write_vectors(args, folder):
    """Write texts and random vectors with Spark, as jobs/embed.py does: FILES files, each column with its metadata."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    texts = read_tweets(args)
    matrix = np.random.default_rng(0).standard_normal((len(texts), args.width), dtype=np.float32)
    offsets = np.arange(0, matrix.size + 1, args.width, dtype=np.int32)
    vectors = pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1)))
    made = os.path.join(folder, "made.parquet")
    pq.write_table(pa.table({"id": np.arange(len(texts)), "text": texts, "embedding": vectors}), made)
    named = F.col("embedding").alias("embedding", metadata=vector_metadata(EncoderConfig(model=MODEL)))
    rows = SparkSession.builder.getOrCreate().read.parquet(made).select("id", "text", named)
    path = os.path.join(folder, "vectors")
    rows.repartition(FILES).write.parquet(path)
    return path


def write_artefact(args, folder):
    """Fit LinearSVC on random vectors and save the artefact; return its folder and the classifier."""
    from sklearn.pipeline import Pipeline

    random = np.random.default_rng(1)
    vectors = random.standard_normal((2000, args.width), dtype=np.float32)
    labels = random.integers(0, CLASSES, len(vectors))
    bert = BertTransformer(model=MODEL, encoder=PrecomputedVectors(vectors))
    pipeline = Pipeline([("bert", bert), ("head", FastLinearSVC())]).fit([""] * len(vectors), labels)
    save_artefact(os.path.join(folder, "artefact"), pipeline)
    return os.path.join(folder, "artefact"), pipeline[-1]


def main():
    args = parse_arguments(__doc__, rows=40000, rounds=3, width=384)
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    spark = local_session(args.threads)
    path = write_vectors(args, folder)
    artefact, head = write_artefact(args, folder)
    out = os.path.join(folder, "out")

    def job():
        shutil.rmtree(out, ignore_errors=True)
        options = ["--input", path, "--embedding-column", "embedding", "--artefact", artefact, "--output", out]
        with contextlib.redirect_stdout(io.StringIO()):
            score(options)

    def alone():
        table = pq.read_table(path)
        numbers = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, args.width)
        labels = head.classes_[head.decision_function(numbers).argmax(axis=1)]
        pq.write_table(table.drop_columns(["embedding"]).append_column("label", pa.array(labels)), f"{folder}/alone")

    figures = alternate({"score job": rate(job, args.rows), "scikit-learn alone": rate(alone, args.rows)}, args.rounds)
    tasks = len(spark.read.parquet(out).inputFiles())
    spark.stop()
    shutil.rmtree(folder)
    seconds = args.rows / statistics.median(figures["score job"])
    bars = [
        ("seconds of the score job", seconds, "at most", 3 * args.rows / 40000),
        ("rows per task", args.rows / tasks, "at least", min(10000, args.rows / 2)),
    ]
    if args.rows >= LARGE_ROWS:
        bars.append(("rows per second", statistics.median(figures["score job"]), "at least", 50_000))
    share = ratio(figures, "score job", "scikit-learn alone")
    report(args, "stored_vectors", "rows per second", figures, bars, share_of_scikit_learn=round(share, 3), tasks=tasks)


if __name__ == "__main__":
    main()
