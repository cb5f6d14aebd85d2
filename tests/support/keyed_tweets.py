"""A table of tweets with keys, the command line that embeds it in 8 tasks of windows of 10 rows, and the look at what
came out."""

import logging
from collections import Counter

import numpy as np

from bert_spark import BertEncoder, EncoderConfig
from jobs import embed
from tests.support.standalone_cluster import rows_of

logger = logging.getLogger(__name__)
ROWS = 400
TEXTS = [f"i am so happy today number {number}" for number in range(ROWS)]


def run(model, folder, *options, code=0):
    """Run jobs/embed.py in this process's session, from a csv of the tweets to `out`, both in `folder`."""
    path = folder / "tweets.csv"
    path.write_text("\n".join(["id,text", *(f"{number},{text}" for number, text in enumerate(TEXTS)), ""]))
    arguments = ["--input", path, "--model", model, "--output", folder / "out", "--window-rows", 10]
    size = path.stat().st_size / 8 / 1e6
    assert embed.main([*map(str, [*arguments, "--partition-mb", size]), *options]) == code


def check(folder, model):
    """Compare the output with what must be there: every key once, each beside its own vector."""
    rows = rows_of(folder / "out")
    keys = Counter(int(row["id"]) for row in rows)
    most = max(keys.values())
    logger.info("keys: %d expected, %d rows, %d different, %d time(s) at most", ROWS, len(rows), len(keys), most)
    assert keys == Counter(range(ROWS))
    assert {row["error"] for row in rows} == {None}
    found = np.array([row["embedding"] for row in sorted(rows, key=lambda row: int(row["id"]))])
    expected = BertEncoder.from_config(EncoderConfig(model=str(model), device="cpu")).encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def attempts(cluster):
    """Return how many tasks of each partition have called the model.

    Tasks have numbers of their own: when shuffled rows die with an executor, Spark runs the stage again, and counts its
    attempts from 0 again.
    """
    return Counter(part for part, _ in {(line["partition"], line["task"]) for line in cluster.seen("call")})
