"""Use vectors that are already there, after the start of Spark: score them, reuse them to embed, learn from them.

Scoring is compared with scikit-learn alone, and reuse with a copy of the table by Spark alone. Of the train job only
the step that reads its rows is measured.

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

from bert_spark import BertTransformer, EncoderConfig, cli, save_artefact
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.precomputed import PrecomputedVectors
from bert_spark.tables.provenance import vector_metadata
from jobs import train
from jobs.embed import embed
from jobs.score import score
from tests.benchmarks.harness import MODEL, alternate, parse_arguments, rate, ratio, read_tweets, report
from tests.benchmarks.sessions import local_session

CLASSES, FILES = 13, 16
LARGE_ROWS = 1_000_000


def write_vectors(args, folder):
    """Write texts, labels and random vectors with Spark, as jobs/embed.py does: FILES files, columns with metadata."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    texts = read_tweets(args)
    matrix = np.random.default_rng(0).standard_normal((len(texts), args.width), dtype=np.float32)
    offsets = np.arange(0, matrix.size + 1, args.width, dtype=np.int32)
    vectors = pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1)))
    made = os.path.join(folder, "made.parquet")
    numbers = np.arange(len(texts))
    labels = [str(number % CLASSES) for number in numbers]
    pq.write_table(
        pa.table({"id": numbers, "text": texts, "label": labels, "embedding": vectors}), made, row_group_size=50_000
    )
    named = F.col("embedding").alias("embedding", metadata=vector_metadata(EncoderConfig(model=MODEL)))
    rows = SparkSession.builder.getOrCreate().read.parquet(made).select("id", "text", "label", named)
    path = os.path.join(folder, "vectors")
    rows.repartition(FILES).write.parquet(path)
    rows.drop("embedding").repartition(FILES).write.parquet(os.path.join(folder, "texts"))
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

    def remove_output():
        shutil.rmtree(out, ignore_errors=True)

    def run(job, *options):
        with contextlib.redirect_stdout(io.StringIO()):
            job([*options, "--output", out])

    def job():
        options = ["--input", path, "--embedding-column", "embedding", "--artefact", artefact]
        run(score, *options, "--label-column", "predicted")

    def reuse():
        run(embed, "--input", os.path.join(folder, "texts"), "--model", MODEL, "--reuse", path)

    def copy():
        spark.read.parquet(path).write.parquet(out)

    def read_to_train():
        options = ["--embeddings", path, "--model", MODEL, "--label-column", "label", "--output", f"{folder}/new"]
        data = cli.load_training_data(cli.read_job(train.__file__, train.__doc__, options))
        assert data.examples.vectors.shape == (args.rows, args.width)

    def alone():
        table = pq.read_table(path)
        numbers = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, args.width)
        labels = head.classes_[head.decision_function(numbers).argmax(axis=1)]
        pq.write_table(table.drop_columns(["embedding"]).append_column("label", pa.array(labels)), f"{folder}/alone")

    contenders = {
        "score job": job,
        "scikit-learn alone": alone,
        "embed job with --reuse": reuse,
        "Spark alone, a copy of the table": copy,
        "train job with --embeddings, reading": read_to_train,
    }
    figures = alternate({name: rate(work, args.rows, remove_output) for name, work in contenders.items()}, args.rounds)
    remove_output()
    job()
    tasks = len(spark.read.parquet(out).inputFiles())
    spark.stop()
    shutil.rmtree(folder)
    seconds = args.rows / statistics.median(figures["score job"])
    bars = [
        ("seconds of the score job", seconds, "at most", 3 * args.rows / 40000),
        ("rows per task", args.rows / tasks, "at least", min(10000, args.rows / 2)),
    ]
    if args.rows >= LARGE_ROWS:
        for name in ("score job", "embed job with --reuse"):
            bars.append((f"{name}, rows per second", statistics.median(figures[name]), "at least", 50_000))
    share = ratio(figures, "score job", "scikit-learn alone")
    report(args, "stored_vectors", "rows per second", figures, bars, share_of_scikit_learn=round(share, 3), tasks=tasks)


if __name__ == "__main__":
    main()
