"""One job, four ways: read texts from Parquet, embed them with the model's own recipe, write Parquet.

A process of its own for each way, since a contender's packages are not ours. It imports nothing of this project but for
"bert_spark". Each line of its input is a job: `input TAB output TAB mode`. It answers `done SECONDS` or `dead ERROR`.

    python engine_jobs.py NAME MODEL_FOLDER CORES

Modes: "default", how the tool writes if nothing is said, and "overwrite".
"""

import contextlib
import os
import sys
import time
from pathlib import Path

BATCH = 32  # texts in a batch: sentence-transformers' default
ROWS = 1024  # rows that the engine hands over at once
stay_open = contextlib.ExitStack()  # closed when the process ends


class SentenceVectors:
    """sentence-transformers for one worker with one thread."""

    def __init__(self, folder):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self.model = SentenceTransformer(folder, device="cpu")

    def __call__(self, batch):
        return batch | {"embedding": self.model.encode(batch["text"].tolist(), batch_size=BATCH)}


def daft(folder, cores):
    """Daft's embed_text, in threads of one process: without a GPU it has no other way."""
    import daft
    from daft.functions import embed_text

    daft.set_runner_native(num_threads=cores)

    def job(source, output, mode):
        rows = daft.read_parquet(f"{source}/*.parquet")
        vectors = embed_text(daft.col("text"), provider="transformers", model=folder)
        options = {"write_mode": "overwrite"} if mode == "overwrite" else {}
        rows.with_column("embedding", vectors).write_parquet(output, **options)

    return job


def ray(folder, cores):
    """Ray Data's map_batches over a pool of actors, one a core."""
    import ray

    # one logical CPU more than there are cores, so that reading and writing need not wait for an actor to end
    ray.init(num_cpus=cores + 1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def job(source, output, mode):
        options = {"mode": ray.data.SaveMode.OVERWRITE} if mode == "overwrite" else {}
        rows = ray.data.read_parquet(source)
        pool = ray.data.ActorPoolStrategy(size=cores)
        vectors = rows.map_batches(SentenceVectors, fn_constructor_args=[folder], batch_size=ROWS, compute=pool)
        vectors.write_parquet(output, **options)

    return job


def predict_batch_udf(folder, cores):
    """Spark's predict_batch_udf over sentence-transformers, as in most notebooks."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import SparkSession
    from pyspark.sql import types as T

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(local_master(cores)).config("spark.ui.enabled", "false")
    spark = builder.config("spark.log.level", "ERROR").config("spark.driver.memory", "2g").getOrCreate()

    def make():
        model = SentenceVectors(folder)
        return lambda texts: model({"text": texts})["embedding"]

    vectors = predict_batch_udf(make, return_type=T.ArrayType(T.FloatType()), batch_size=ROWS)

    def job(source, output, mode):
        rows = spark.read.parquet(source).withColumn("embedding", vectors("text"))
        (rows.write.mode("overwrite") if mode == "overwrite" else rows.write).parquet(output)

    return job


def bert_spark(folder, cores):
    """The job of this project: jobs/embed.py, in one session for all jobs of the process."""
    from bert_spark import cli
    from jobs import embed

    def arguments(source, output, mode):
        options = ["--input", source, "--text-column", "text", "--output", output, "--model", folder]
        return [*options, "--pooling", "model", *(["--overwrite"] if mode == "overwrite" else [])]

    settings = cli.read_job(embed.__file__, embed.__doc__, arguments("input", "output", "default"))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    conf = {"spark.master": local_master(cores), "spark.ui.enabled": "false", "spark.driver.memory": "2g"}
    stay_open.enter_context(cli.spark_session("engines", conf, cli.task_imports(settings)))
    return lambda *job: embed.embed(arguments(*job))


def local_master(cores):
    """Return the address of a Spark on this machine that tries a task four times, as a cluster does."""
    return f"local[{cores},4]"


WAYS = {"daft": daft, "ray": ray, "predict_batch_udf": predict_batch_udf, "bert_spark": bert_spark}


def main():
    name, folder, cores = sys.argv[1], sys.argv[2], int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")  # what the libraries print goes to stderr
    os.dup2(2, 1)
    with stay_open:
        job = WAYS[name](folder, cores)
        for line in sys.stdin:
            started = time.perf_counter()
            try:
                job(*line.rstrip("\n").split("\t"))
            except Exception as err:
                print("dead", type(err).__name__, str(err).replace("\n", " ")[-300:], file=answers, flush=True)
            else:
                print("done", time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    main()
