"""Compare the whole embed job on Spark, after its start-up, with two others.

One is the encoder alone in as many processes. The other is `predict_batch_udf` over sentence-transformers, as in most
notebooks. Layout: one worker with one thread for each core.

    python -m tests.benchmarks.spark_job --texts tweets.csv --column content --rows 40000 --engines torch,openvino
"""

import contextlib
import functools
import io
import os
import shutil
import subprocess
import sys
import tempfile

from pyspark.sql import types as T

from bert_spark.tables.repartitioning import spread_by_bytes
from jobs.embed import embed
from tests.benchmarks.harness import MAX_LENGTH, MODEL, alternate, parse_arguments, rate, ratio, read_tweets, report
from tests.benchmarks.sessions import local_session, write_csv

PREDICT_BATCH = "predict_batch_udf + sentence-transformers"

# Each process encodes its share of the rows. It loads the model before it is told to start, like Spark's workers.
ALONE = """
import sys
import pandas as pd, torch
from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
torch.set_num_threads(1)
path, part, parts, model, engine = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
texts = pd.read_csv(path, dtype=str, keep_default_na=False)["text"].tolist()[part::parts]
encoder = BertEncoder.from_config(EncoderConfig(model=model, device="cpu", engine=engine))
encoder.encode(texts[:100])
for line in sys.stdin:
    encoder.encode(texts)
    print("done", flush=True)
"""


class Alone:
    """The encoder in several processes with one thread each, without Spark."""

    def __init__(self, path, processes, engine):
        command = [sys.executable, "-W", "ignore", "-c", ALONE, path]
        self.processes = [
            subprocess.Popen(
                [*command, str(part), str(processes), MODEL, engine],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            for part in range(processes)
        ]  # fmt: skip

    def __call__(self):
        for process in self.processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in self.processes:
            assert process.stdout.readline() == "done\n", "a process of the encoder alone ended"

    def close(self):
        for process in self.processes:
            process.communicate()


def sentence_udf():
    """Return sentence-transformers behind Spark's predict_batch_udf."""
    from pyspark.ml.functions import predict_batch_udf

    def make():
        import torch

        from tests.benchmarks.peers import BATCH, sentence_model

        torch.set_num_threads(1)
        model = sentence_model()
        return lambda texts: model.encode(texts.tolist(), batch_size=BATCH)

    return predict_batch_udf(make, return_type=T.ArrayType(T.FloatType()), batch_size=1024)


def main():
    args = parse_arguments(__doc__, rows=8000, rounds=3, engines="torch")
    engines = args.engines.split(",")
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    path, out = write_csv(read_tweets(args), folder), os.path.join(folder, "out")
    spark = local_session(args.threads)
    sentence_vectors = sentence_udf()

    def job(engine):
        options = ["--input", path, "--text-column", "text", "--output", out, "--overwrite", "--engine", engine]
        with contextlib.redirect_stdout(io.StringIO()):
            embed([*options, "--model", MODEL, "--max-length", str(MAX_LENGTH)])

    def predict_batch_job():
        rows = spread_by_bytes(spark.read.csv(path, header=True, multiLine=True, escape='"'))
        rows.withColumn("embedding", sentence_vectors("text")).write.mode("overwrite").parquet(f"{out}-predict-batch")

    alone = {engine: Alone(path, args.threads, engine) for engine in engines}
    work = {f"embed job, {engine}": functools.partial(job, engine) for engine in engines}
    work |= {f"encoder alone, {engine}": each for engine, each in alone.items()}
    work[PREDICT_BATCH] = predict_batch_job
    figures = alternate({name: rate(each, args.rows) for name, each in work.items()}, args.rounds)
    for each in alone.values():
        each.close()
    spark.stop()
    shutil.rmtree(folder)
    bars = []
    for engine in engines:
        job_name = f"embed job, {engine}"
        to_alone, to_predict_batch = (ratio(figures, job_name, o) for o in (f"encoder alone, {engine}", PREDICT_BATCH))
        bars.append((f"embed job / encoder alone, {engine}", to_alone, "at least", 0.9))
        bars.append((f"embed job / predict_batch_udf, {engine}", to_predict_batch, "at least", 1.5))
    layout = f"{args.threads} workers of 1 thread, for all"
    report(args, "spark_job", "rows per second", figures, bars, layout=layout)


if __name__ == "__main__":
    main()
