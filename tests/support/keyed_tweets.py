"""A table of tweets with keys, the job that embeds it in 8 tasks and windows of 10 rows, and a check of its output."""

import logging
from collections import Counter

import numpy as np

from bert_spark import BertEncoder, EncoderConfig
from jobs import embed
from tests.support.standalone_cluster import rows_of

logger = logging.getLogger(__name__)
ROWS = 400
TEXTS = [f"i am so happy today number {number}" for number in range(ROWS)]


def embed_tweets(model, folder, *options, code=0):
    """Run jobs/embed.py in this process's session, from a csv file of the tweets to `out`, both in `folder`."""
    path = folder / "tweets.csv"
    path.write_text("\n".join(["id,text", *(f"{number},{text}" for number, text in enumerate(TEXTS)), ""]))
    arguments = ["--input", path, "--model", model, "--output", folder / "out", "--window-rows", 10]
    size = path.stat().st_size / 8 / 1e6
    assert embed.main([*map(str, [*arguments, "--partition-mb", size]), *options]) == code


def check_output(folder, model):
    """Check that the output holds every key once, each with the vector of its text."""
    rows = rows_of(folder / "out")
    keys = Counter(int(row["id"]) for row in rows)
    largest = max(keys.values())
    logger.info("keys: %d expected, %d rows, %d distinct, %d time(s) at most", ROWS, len(rows), len(keys), largest)
    assert keys == Counter(range(ROWS))
    assert {row["error"] for row in rows} == {None}
    found = np.array([row["embedding"] for row in sorted(rows, key=lambda row: int(row["id"]))])
    expected = BertEncoder.from_config(EncoderConfig(model=str(model), device="cpu")).encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def tasks_per_partition(cluster):
    """Return how many tasks of each partition have called the model.

    Tasks are counted by their ids. If shuffled rows are lost with an executor, Spark runs the stage again and its
    attempt numbers start at 0 again.
    """
    return Counter(part for part, _ in {(line["partition"], line["task"]) for line in cluster.logged("call")})
