"""Measure the microseconds per row that vectors take from a Python worker into Spark.

A fake encoder takes no time and nothing is stored. The time of the same rows with null vectors is subtracted.

    python -m tests.benchmarks.output_path
"""

import statistics

from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.spark import udf
from bert_spark.spark.udf_wrapping import wrap_as_udf
from tests.benchmarks.fakes import FreeEncoder
from tests.benchmarks.harness import parse_arguments, report
from tests.benchmarks.sessions import local_session, seconds

WIDTHS = (384, 768)


def vectors_udf(width, *, arrow):
    """Return the embedding UDF over a fake encoder that takes no time. With width 0 vectors are null."""

    def core(windows):
        return udf.embed_windows(windows, FreeEncoder(width))

    return wrap_as_udf(core, udf.EMBEDDING_FIELDS, EncoderConfig().window_rows, arrow=arrow)


def main():
    args = parse_arguments(__doc__, rows=60_000, rounds=3)
    spark = local_session(1)
    texts = spark.range(0, args.rows, 1, 1).select(F.concat(F.lit("so happy today "), "id").alias("text"))
    kinds = {"arrow": True, "pandas": False} if hasattr(F, "arrow_udf") else {"pandas": False}

    def write(kind, width):
        column = vectors_udf(width, arrow=kinds[kind])("text").getField("embedding")
        return seconds(lambda: texts.select(column).write.format("noop").mode("overwrite").save())

    plans = [(kind, width) for kind in kinds for width in (0, *WIDTHS)]
    figures = {f"{kind} UDF, {width} numbers": [] for kind, width in plans if width}
    for round_number in range(args.rounds + 1):
        taken = {plan: write(*plan) for plan in plans}
        for kind, width in plans if round_number else ():  # the first round starts the worker
            if width:
                extra = taken[kind, width] - taken[kind, 0]
                figures[f"{kind} UDF, {width} numbers"].append(extra / args.rows * 1e6)
    bars = []
    if "arrow" in kinds:
        of_768 = statistics.median(figures["arrow UDF, 768 numbers"])
        bars = [("arrow UDF, 768 numbers", of_768, "at most", 15)]
    report(args, "output_path", "microseconds a row", figures, bars, layout="one worker")
    spark.stop()


if __name__ == "__main__":
    main()
