"""Measure time and peak memory as tables grow, and the cost of duplicate texts.

Uses MiniLM up to --rows rows. Larger tables use a random BERT of 2 layers and 384 numbers, with which 400,000 rows take
a minute or two. Its windows, batches and vectors, which decide peak memory, have the same size.

    python -m tests.benchmarks.scaling --texts tweets.csv --column content --rows 40000
"""

import os
import shutil
import tempfile

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.encoder import BertEncoder
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.repartitioning import spread_by_bytes
from tests.benchmarks.harness import MAX_LENGTH, MODEL, parse_arguments, read_tweets, report
from tests.benchmarks.sessions import PeakMemory, local_session, seconds, write_csv

TIMES = 10


def small_model(folder):
    """Save a random BERT of MiniLM's width with MiniLM's tokenizer; return the folder."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(str(resolve_model(MODEL)))
    sizes = {"hidden_size": 384, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main():
    args = parse_arguments(__doc__, rows=10_000, rounds=1, large=400_000)
    folder = tempfile.mkdtemp(prefix="bert_spark-bench-")
    small = small_model(os.path.join(folder, "model"))
    sizes = [(MODEL, rows) for rows in (1000, 10_000, 40_000) if rows <= args.rows]
    sizes += [(small, args.large // 10), (small, args.large)]
    spark = local_session(args.threads)
    speed, workers, jvm = {}, {}, {}
    for model, rows in sizes:
        name = f"{'MiniLM' if model == MODEL else 'a small BERT'}, {rows:,} rows"
        table = spark.read.csv(write_csv(read_tweets(args, rows), folder), header=True, multiLine=True, escape='"')
        add = with_embedding(EncoderConfig(model=model, max_length=MAX_LENGTH, device="cpu"))
        with_first = spread_by_bytes(table.limit(200)).transform(add)
        with_first.write.mode("overwrite").parquet(os.path.join(folder, "out"))  # now the workers have loaded the model
        with PeakMemory() as peak:
            work = spread_by_bytes(table).transform(add).write.mode("overwrite")
            speed[name] = [rows / seconds(lambda work=work: work.parquet(os.path.join(folder, "out")))]
        workers[name], jvm[name] = round(peak.worker, 1), round(peak.jvm, 1)
    spark.stop()
    shutil.rmtree(folder)
    peaks = list(workers.values())
    speed |= duplicates(args)
    each_once, many = (speed[f"each text {how}"][0] for how in ("once", f"{TIMES} times"))
    bars = [
        (f"peak of a worker, {sizes[-1][1]:,} rows / {sizes[-2][1]:,}", peaks[-1] / peaks[-2], "at most", 1.1),
        (f"each text {TIMES} times / once, rows per second", many / each_once, "at least", 6),
    ]
    facts = {
        "peak_mb_of_a_worker": workers,
        "peak_mb_of_the_jvm": jvm,
        "layout": f"{args.threads} workers of 1 thread",
    }
    report(args, "scaling", "rows per second", speed, bars, **facts)


def duplicates(args):
    """Return the rows per second of a window with each text once, and of a window with each text ten times."""
    encoder = BertEncoder.from_config(EncoderConfig(model=MODEL, max_length=MAX_LENGTH, device="cpu"))
    texts = read_tweets(args, encoder.config.window_rows // TIMES)
    encoder.encode(texts[:100])
    figures = {"each text once": [], f"each text {TIMES} times": []}
    for _ in range(3):
        for name, rows in zip(figures, (texts, texts * TIMES), strict=True):
            figures[name].append(len(rows) / seconds(lambda rows=rows: encoder.encode(rows)))
    return figures


if __name__ == "__main__":
    main()
