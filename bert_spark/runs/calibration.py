"""Calibrate a model for 8-bit arithmetic with texts of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.encoding.calibration import MIN_TEXTS, calibrate
from bert_spark.errors import DataError
from bert_spark.tables.readers import read_input
from bert_spark.tables.schema import usable_text
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.settings import JobSettings


def calibrate_on_input(spark: SparkSession, job: JobSettings) -> str:
    """Calibrate the model of the settings with texts of the input. Return a line that says what was written.

    It takes the different texts with the smallest SHA-256, so every run takes the same ones.

    Raises
    ------
    ConfigError
        As in `calibrate`.
    DataError
        If the input can't be read, or has too few different texts.
    """
    rows = read_input(spark, job.input)
    text = usable_text(rows, with_text_column(rows, job.input).text_column)
    different = rows.select(text.alias("text")).where(F.length(F.trim("text")) > 0).distinct()
    texts = [row.text for row in different.orderBy(F.sha2("text", 256)).limit(job.calibrate.texts).collect()]
    if len(texts) < MIN_TEXTS:
        raise DataError(
            f"{job.input.path!r} has {len(texts)} different texts; expected {MIN_TEXTS} or more: pass a larger "
            "input of the same kind"
        )
    calibrate(job.encoder, texts, job.calibrate.output)
    return (
        f"Calibrated {job.encoder.model} with {len(texts):,} texts. Use the copy with: "
        f"--model {job.calibrate.output} --engine openvino --precision int8"
    )
