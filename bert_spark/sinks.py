"""Write a result. What exists is never replaced unless asked; another model's vectors or labels are never joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from bert_spark.columns import ARTEFACT_KEY, ENCODER_KEY, FINGERPRINT_KEY, HIDDEN
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.jobconf import InputConfig, OutputConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ADVISORY = "spark.sql.adaptive.advisoryPartitionSizeInBytes"
CORES_FIRST = "spark.sql.adaptive.coalescePartitions.parallelismFirst"  # no fewer tasks than cores, of any size


def exists(spark: SparkSession, path: str, kind: str) -> bool:
    """Tell whether a folder or table is there."""
    if kind == "table":
        return bool(spark.catalog.tableExists(path))
    try:
        return bool(spark.read.format("binaryFile").load(path).columns)
    except AnalysisException:
        return False


def is_empty(spark: SparkSession, output: OutputConfig) -> bool:
    """Tell whether an output holds no row, be it that it is not there."""
    if not exists(spark, str(output.path), output.format):
        return True
    try:
        return table_of(spark, output).limit(1).count() == 0
    except AnalysisException:  # a folder without any file in it yet
        return True


def table_of(spark: SparkSession, output: OutputConfig) -> DataFrame:
    """Return what was written to an output."""
    return (
        spark.table(str(output.path))
        if output.format == "table"
        else spark.read.format(output.format).load(output.path)
    )


def check_free(spark: SparkSession, output: OutputConfig, source: InputConfig, identity: Mapping[str, str]) -> None:
    """Refuse, before any work, an output that is there already, is the input, or is another model's."""
    check_given(output, source)
    if not exists(spark, str(output.path), output.format):
        return
    if output.if_exists == "error":
        raise DataError(f"output {output.path!r} is there already; pass --overwrite, --append or another --output")
    other = stranger(spark, output, identity) if output.if_exists == "append" else None
    if other:
        raise FingerprintError(f"{other}; write to another --output, or --overwrite")


def check_given(output: OutputConfig, source: InputConfig) -> None:
    """Refuse an output that is not named, or that is the input."""
    if output.path is None:
        raise ConfigError("no output given; pass --output, or set [output] path")
    if output.format == "table" and "/" in output.path:
        raise ConfigError(f"output {output.path!r} is no table's name; expected e.g. main.tweets.scores")
    if output.path.rstrip("/") == (source.path or "").rstrip("/"):
        raise ConfigError(f"output {output.path!r} is the input; pass another --output")


def stranger(spark: SparkSession, output: OutputConfig, identity: Mapping[str, str]) -> str | None:
    """Say whose vectors or labels an output holds, where they are not of `identity`; None where they are, or unknown.

    Parameters
    ----------
    output
        A folder or table that is there.
    identity
        Key of a column's metadata -> what it must say.
    """
    try:
        fields = table_of(spark, output).schema.fields
    except AnalysisException:  # a folder without any file in it yet
        return None
    for said in [*(field.metadata for field in fields), properties_of(spark, output)]:
        for key, mine in identity.items():
            found = said.get(key)
            if found is not None and found != mine:
                what = "labels of artefact" if key == ARTEFACT_KEY else "vectors of encoder"
                settings = said.get(ENCODER_KEY, "")
                theirs = f"{found[:12]} ({settings})" if settings else found[:12]
                return f"output {output.path!r} holds {what} {theirs}, this run makes {mine[:12]}"
    return None


def properties_of(spark: SparkSession, output: OutputConfig) -> dict[str, str]:
    """Return the properties of a table; none of a folder."""
    if output.format != "table":
        return {}
    return {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {output.path}").collect()}


def _mark(spark: SparkSession, rows: DataFrame, output: OutputConfig) -> None:
    """Say in a table's properties whose vectors or labels it holds: Iceberg keeps no metadata of columns."""
    said = {
        key: field.metadata[key]
        for field in rows.schema.fields
        for key in (FINGERPRINT_KEY, ARTEFACT_KEY)
        if key in field.metadata
    }
    if not said.items() <= properties_of(spark, output).items():
        pairs = ", ".join(f"'{key}' = '{value}'" for key, value in said.items())
        spark.sql(f"ALTER TABLE {output.path} SET TBLPROPERTIES ({pairs})")


def version_for(spark: SparkSession, output: OutputConfig, identity: Mapping[str, str], *, new: bool) -> OutputConfig:
    """Return the output, or the version of it, OUTPUT_v2 and so on, that is this model's.

    Parameters
    ----------
    identity
        As in `stranger`.
    new
        Whether a version may be started where there is none of this model.

    Raises
    ------
    FingerprintError
        When all that is there is of other models, and `new` is not set; both are named.
    """
    first: str | None = None
    version = output
    number = 1
    while exists(spark, str(version.path), version.format):
        other = stranger(spark, version, identity)
        if other is None:
            return version
        first = first or other
        number += 1
        version = dataclasses.replace(output, path=f"{str(output.path).rstrip('/')}_v{number}")
    if first and not new:
        raise FingerprintError(f"{first}; pass --new-version to start {version.path!r} on purpose")
    return version


def write(df: DataFrame, output: OutputConfig) -> None:
    """Write the result: one action, which runs the whole plan once."""
    with _sized(df.sparkSession, df, output) as rows:
        writer = rows.write.mode(output.if_exists)
        if output.format == "table":
            writer.saveAsTable(str(output.path))
            _mark(df.sparkSession, df, output)
        else:
            writer.format(output.format).save(output.path)


@contextmanager
def _sized(spark: SparkSession, rows: DataFrame, output: OutputConfig) -> Iterator[DataFrame]:
    """Give `rows` in tasks of the size a file is to have: dealt out in turn and joined by their bytes, never sorted."""
    if output.target_file_mb is None:
        yield rows
        return
    wanted = {ADVISORY: f"{int(output.target_file_mb * 1e6)}b", CORES_FIRST: "false"}
    before = {key: spark.conf.get(key, None) for key in wanted}
    for key, value in wanted.items():
        spark.conf.set(key, value)
    try:
        yield rows.hint("rebalance")
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)


def check_partition(spark: SparkSession, output: OutputConfig, name: str) -> None:
    """Refuse an output that is there but not made of partitions by `name`."""
    if not exists(spark, str(output.path), output.format):
        return
    try:
        columns = table_of(spark, output).columns
    except AnalysisException:
        return
    if name not in columns:
        raise DataError(
            f"output {output.path!r} has no column {name!r}: it was not written by runs of this kind; days, increments "
            "and plain runs each need an --output of their own"
        )


def replace(spark: SparkSession, rows: DataFrame, output: OutputConfig, partition: str) -> int:
    """Put `rows` in place of one partition, "name=value", and return how many are there then.

    In one step where the format can (Delta, Iceberg); in a folder of Parquet files the old ones go just before the new
    come.
    """
    name, _, value = partition.partition("=")
    rows = rows.drop(*(column for column in rows.columns if column.startswith(HIDDEN)))
    literal = value if value.isdigit() else f"DATE'{value}'"
    path = str(output.path)
    with _sized(spark, rows, output) as sized:
        _replace(spark, sized, output, name, literal, f"{path.rstrip('/')}/{partition}")
    return count(spark, output, partition)


def _replace(spark: SparkSession, rows: DataFrame, output: OutputConfig, name: str, literal: str, folder: str) -> None:
    path = str(output.path)
    if output.format == "table":
        keyed = rows.selectExpr("*", f"{literal} AS {name}")
        if not spark.catalog.tableExists(path):
            keyed.limit(0).write.partitionBy(name).saveAsTable(path)
        _mark(spark, rows, output)
        there = [column for column in spark.table(path).columns if column != name]
        lost = [column for column in rows.columns if column.lower() not in map(str.lower, there)]
        if lost:
            raise DataError(
                f"table {path} has no columns {lost}, which this run's rows have; add them (ALTER TABLE {path} ADD "
                "COLUMNS) and run again, which needs no BERT, or write to another --output"
            )
        columns = ", ".join(f"`{column}`" for column in there)
        rows.createOrReplaceTempView("bert_spark_staged")
        spark.sql(
            f"INSERT OVERWRITE TABLE {path} PARTITION ({name} = {literal}) SELECT {columns} FROM bert_spark_staged"
        )
        spark.catalog.dropTempView("bert_spark_staged")
    elif output.format == "delta":
        keyed = rows.selectExpr("*", f"{literal} AS {name}")
        replaced = {"replaceWhere": f"{name} = {literal}"}
        keyed.write.format("delta").mode("overwrite").options(**replaced).partitionBy(name).save(path)
    else:
        rows.write.mode("overwrite").format(output.format).save(folder)


def count(spark: SparkSession, output: OutputConfig, partition: str) -> int:
    """Return how many rows one partition, "name=value", of an output holds."""
    name, _, value = partition.partition("=")
    if output.format not in ("table", "delta"):
        path = f"{str(output.path).rstrip('/')}/{partition}"
        return spark.read.format(output.format).load(path).count() if exists(spark, path, output.format) else 0
    if not exists(spark, str(output.path), output.format):
        return 0
    literal = value if value.isdigit() else f"DATE'{value}'"
    return table_of(spark, output).where(f"{name} = {literal}").count()
