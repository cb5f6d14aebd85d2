"""Microseconds a row that vectors take from a Python worker into Spark: an encoder that costs nothing, written to
nowhere, less the same rows with a null in place of each vector.

    python -m tests.benchmarks.output_path
"""

import statistics

from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.spark import udf
from tests.benchmarks.fakes import Free
from tests.benchmarks.harness import arguments, report
from tests.benchmarks.sessions import local_session, seconds

WIDTHS = (384, 768)


def vectors_udf(width, *, arrow):
    """Return the embedding UDF over an encoder that costs nothing; width 0 gives nulls."""

    def core(windows):
        return udf.embed_windows(windows, Free(width))

    return udf._as_udf(core, udf.EMBEDDING_FIELDS, EncoderConfig().window_rows, arrow=arrow)


def main():
    given = arguments(__doc__, rows=60_000, rounds=3)
    spark = local_session(1)
    texts = spark.range(0, given.rows, 1, 1).select(F.concat(F.lit("so happy today "), "id").alias("text"))
    kinds = {"arrow": True, "pandas": False} if hasattr(F, "arrow_udf") else {"pandas": False}

    def write(kind, width):
        column = vectors_udf(width, arrow=kinds[kind])("text").getField("embedding")
        return seconds(lambda: texts.select(column).write.format("noop").mode("overwrite").save())

    plans = [(kind, width) for kind in kinds for width in (0, *WIDTHS)]
    figures = {f"{kind} UDF, {width} numbers": [] for kind, width in plans if width}
    for turn in range(given.rounds + 1):
        taken = {plan: write(*plan) for plan in plans}
        for kind, width in plans if turn else ():  # the first turn starts the worker
            if width:
                more = taken[kind, width] - taken[kind, 0]
                figures[f"{kind} UDF, {width} numbers"].append(more / given.rows * 1e6)
    bars = []
    if "arrow" in kinds:
        of_768 = statistics.median(figures["arrow UDF, 768 numbers"])
        bars = [("arrow UDF, 768 numbers", of_768, "at most", 15)]
    report(given, "output_path", "microseconds a row", figures, bars, layout="one worker")
    spark.stop()


if __name__ == "__main__":
    main()
