"""Score texts with several artefacts of one encoder in one run, and with one of them: the whole score job on Spark.

python -m tests.benchmarks.many_artefacts --texts tweets.csv --column content --rows 8000 --artefacts 10
"""

import contextlib
import io
import os
import shutil
import tempfile

import numpy as np
from sklearn.pipeline import Pipeline

from bert_spark import BertTransformer, save_artefact
from bert_spark.estimators.linear_svc import FastLinearSVC
from bert_spark.estimators.precomputed import PrecomputedVectors
from jobs.score import score
from tests.benchmarks.harness import MODEL, alternate, parse_arguments, rate, ratio, read_tweets, report
from tests.benchmarks.sessions import local_session, write_csv

CLASSES = 13
TRAINED_ON = 1000


def write_artefacts(texts, number, folder):
    """Fit `number` classifiers on the vectors of the same texts, each with random labels of its own; return folders."""
    vectors = BertTransformer(model=MODEL).fit_transform(texts).astype(np.float32)
    paths = []
    for n in range(number):
        labels = np.random.default_rng(n).integers(0, CLASSES, len(texts))
        bert = BertTransformer(model=MODEL, encoder=PrecomputedVectors(vectors))
        pipeline = Pipeline([("bert", bert), ("head", FastLinearSVC())]).fit([""] * len(texts), labels)
        paths.append(os.path.join(folder, f"artefact_{n}"))
        save_artefact(paths[-1], pipeline)
    return paths


def main():
    args = parse_arguments(__doc__, rows=8000, rounds=3, artefacts=10)
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    texts = read_tweets(args)
    artefacts = write_artefacts(texts[:TRAINED_ON], args.artefacts, folder)
    spark = local_session(args.threads)
    path, out = write_csv(texts, folder), os.path.join(folder, "out")

    def job(chosen):
        def run():
            shutil.rmtree(out, ignore_errors=True)
            options = [word for artefact in chosen for word in ("--artefact", artefact)]
            with contextlib.redirect_stdout(io.StringIO()):
                score([*options, "--input", path, "--text-column", "text", "--output", out])

        return rate(run, args.rows)

    one, many = "one artefact", f"{args.artefacts} artefacts"
    figures = alternate({one: job(artefacts[:1]), many: job(artefacts)}, args.rounds)
    spark.stop()
    shutil.rmtree(folder)
    bars = [(f"time of {many} / {one}", ratio(figures, one, many), "at most", 1.1)]
    report(args, "many_artefacts", "rows per second", figures, bars)


if __name__ == "__main__":
    main()
