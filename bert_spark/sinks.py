"""Write a result. What exists is never replaced unless asked; another encoder's vectors are never joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.columns import ENCODER_KEY, FINGERPRINT_KEY
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.jobconf import InputConfig, OutputConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def exists(spark: SparkSession, path: str, kind: str) -> bool:
    """Tell whether a folder or table is there."""
    if kind == "table":
        return bool(spark.catalog.tableExists(path))
    try:
        return bool(spark.read.format("binaryFile").load(path).columns)
    except AnalysisException:
        return False


def check_output(spark: SparkSession, config: OutputConfig, source: InputConfig, fingerprint: str | None) -> None:
    """Refuse, before any work, an output that is there already, is the input, or holds another encoder's vectors."""
    if config.path is None:
        raise ConfigError("no output given; pass --output, or set [output] path")
    if config.path.rstrip("/") == (source.path or "").rstrip("/"):
        raise ConfigError(f"output {config.path!r} is the input; pass another --output")
    if not exists(spark, config.path, config.format):
        return
    if config.if_exists == "error":
        raise DataError(f"output {config.path!r} is there already; pass --overwrite, --append or another --output")
    if config.if_exists == "append" and fingerprint is not None:
        _check_same_encoder(spark, config, fingerprint)


def _check_same_encoder(spark: SparkSession, config: OutputConfig, fingerprint: str) -> None:
    there = (
        spark.table(str(config.path))
        if config.format == "table"
        else spark.read.format(config.format).load(config.path)
    )
    for field in there.schema.fields:
        found = field.metadata.get(FINGERPRINT_KEY)
        if found is not None and found != fingerprint:
            raise FingerprintError(
                f"output {config.path!r} holds vectors of encoder {found[:12]} "
                f"({field.metadata.get(ENCODER_KEY)}), this run "
                f"makes {fingerprint[:12]}; write to another --output, or --overwrite"
            )


def write(df: DataFrame, config: OutputConfig) -> None:
    """Write the result: one action, which runs the whole plan once."""
    assert config.path is not None
    if config.format == "table":
        df.write.mode(config.if_exists).saveAsTable(config.path)
    else:
        df.write.mode(config.if_exists).format(config.format).save(config.path)
