"""A table of vectors is kept in step with its source: 1 % of the texts change, 1 % of the rows go, 0.5 % are new.

The model is a tiny random one: what is measured is everything but BERT. The output is compared with the source.

python -m tests.benchmarks.sync --rows 200000
"""

import contextlib
import io
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from transformers import BertConfig, BertModel, BertTokenizerFast

from jobs.embed import embed
from tests.benchmarks.harness import parse_arguments, read_tweets, report
from tests.benchmarks.sessions import local_session
from tests.support import tiny_models


def changed(frame, texts, share=0.01):
    """Return a source after some days: a share of the texts is another, a share of the rows is gone, some are new.

    Of the new texts, one in ten is the text of another new row too.
    """
    random = np.random.default_rng(0)
    rows = random.permutation(len(frame))
    count = int(len(frame) * share)
    texts = [text if n % 10 else texts[n + 1] for n, text in enumerate(texts[:-1])]
    later = frame.copy()
    later.loc[rows[:count], "text"] = texts[:count]
    later = later.drop(index=rows[count : 2 * count])
    ids = np.arange(count // 2) + int(frame.id.max()) + 1
    return pd.concat([later, pd.DataFrame({"id": ids, "text": texts[count : count + count // 2]})], ignore_index=True)


def stale_rows(output, frame):
    """Return how many rows of the output are not those of the source, and how many of the source are not in it."""
    stored = pd.concat(
        [pq.read_table(file, columns=["id", "text"]).to_pandas() for file in sorted(Path(output).glob("part-*"))]
    )
    both = stored.merge(frame, on="id", how="outer", suffixes=("", "_now"), indicator=True)
    return int(((both._merge != "both") | (both.text != both.text_now)).sum())


def last_record(folder):
    """Return the record of the last run."""
    newest = max(Path(folder, "_manifests").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return json.loads(newest.read_text())


def main():
    args = parse_arguments(__doc__, rows=200_000, rounds=1)
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    model = Path(folder) / "model"
    tiny_models.wordpiece(BertTokenizerFast, model)
    tiny_models.save(tiny_models.tiny(BertConfig, BertModel), model)
    texts = read_tweets(args, int(args.rows * 1.03))
    first = pd.DataFrame({"id": np.arange(args.rows), "text": texts[: args.rows]})
    second = changed(first, [f"{text} anew" for text in texts[: int(args.rows * 0.03)]])
    merged = second.merge(first, on="id", how="left", suffixes=("", "_before"))
    differ = merged[merged.text != merged.text_before]
    spark = local_session(args.threads)
    source, output = os.path.join(folder, "tweets.parquet"), os.path.join(folder, "vectors")
    options = ["--input", source, "--model", str(model), "--output", output, "--id-column", "id", "--sync"]

    def one_run(frame):
        frame.to_parquet(source, index=False)
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            embed(options)
        return time.perf_counter() - started, last_record(folder)

    figures, records = {}, {}
    for name, frame in (("first run", first), ("1 % differs", second), ("nothing differs", second)):
        seconds, records[name] = one_run(frame)
        figures[f"{name}, s"] = [seconds]
    stale = stale_rows(output, second)
    spark.stop()
    shutil.rmtree(folder)
    record, nothing = records["1 % differs"], records["nothing differs"]
    bars = [
        ("rows changed, more than there are", abs(record["rows_changed"] - int(args.rows * 0.01)), "at most", 0),
        ("rows removed, more than there are", abs(record["rows_removed"] - int(args.rows * 0.01)), "at most", 0),
        ("texts encoded, more than distinct ones", record["rows_encoded"] - differ.text.nunique(), "at most", 0),
        ("texts encoded, less than distinct ones", differ.text.nunique() - record["rows_encoded"], "at most", 0),
        ("texts encoded if nothing differs", nothing["rows_encoded"], "at most", 0),
        ("stale, missing or doubled rows", stale, "at most", 0),
    ]
    counts = ("rows_added", "rows_changed", "rows_removed", "rows_unchanged", "rows_encoded")
    facts = {name: {key: record[key] for key in counts} for name, record in records.items()}
    report(args, "sync", "of a run with --sync", figures, bars, **facts, rows_that_differ=len(differ))


if __name__ == "__main__":
    main()
