"""A local Spark that loses shuffled rows while it counts them: run `main` in a process of its own.

Spark removes the local executor together with the rows. It never registers it again, and ends Java after 60 heartbeats
that failed (10 minutes), whatever runs then.
"""

import json
import logging
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from bert_spark.tables.observed_counts import ObservedCounts

FOLDER = "BERT_SPARK_TEST_FOLDER"
ROWS = 1000


def lose_shuffled_rows(batches):
    """Return the batches. The first task that comes here removes all shuffled rows, as if their executor were lost."""
    folder = Path(os.environ[FOLDER])
    try:
        (folder / "lost").touch(exist_ok=False)
    except FileExistsError:
        pass
    else:
        files = list(folder.rglob("shuffle_*"))
        assert files
        for file in files:
            file.unlink()
    yield from batches


def main():
    """Write what was logged, and at last the counts and the sorted rows as JSON."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    builder = SparkSession.builder.master("local[2]").config("spark.local.dir", os.environ[FOLDER])
    spark = builder.config("spark.ui.enabled", "false").config("spark.log.level", "ERROR").getOrCreate()
    numbers = spark.range(0, ROWS, 1, 4)
    seen = ObservedCounts(numbers, [F.count(F.lit(1)).alias("rows"), F.sum("id").alias("total")])
    rows = seen.rows.repartition(8).mapInPandas(lose_shuffled_rows, "id long").collect()
    counts = seen.result()
    spark.stop()
    sys.stdout.write(json.dumps([counts, sorted(row.id for row in rows)]) + "\n")
