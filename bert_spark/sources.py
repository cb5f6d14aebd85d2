"""Read a table of tweets so that one record is one row, spread it over tasks, and write the result. What exists is
never
replaced unless asked; a wrong path or column is an error before any work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.columns import ENCODER_KEY, FINGERPRINT_KEY, MALFORMED_COLUMN, check_text_column
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.jobconf import InputConfig, OutputConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SUFFIXES = {
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "parquet": "parquet",
    "orc": "orc",
}
_COMPRESSED = re.compile(r"\.(gz|bz2|zst|zstd|lz4|snappy)$")
_TABLE = re.compile(r"[\w`]+(\.[\w`]+){0,2}$")


def read(spark: SparkSession, config: InputConfig) -> DataFrame:
    """Return the input as a DataFrame; nothing is parsed yet but a header or a schema.

    A csv or json record that can't be parsed keeps its row: its raw text stands in a column of its own, which
    `with_embedding` and `with_score` turn into an error and the row's text.

    Raises
    ------
    ConfigError
        When no input is given.
    DataError
        When it is not there, or lacks the text or id column.
    """
    if config.path is None:
        raise ConfigError("no input given; pass --input, or set [input] path")
    kind = format_of(config.path) if config.format == "auto" else config.format
    try:
        df = _load(spark, config, kind)
        df.schema  # noqa: B018 - Connect looks only now
    except AnalysisException as err:
        raise DataError(f"can't read {config.path!r} as {kind}: {str(err).splitlines()[0]}") from err
    check_text_column(df, config.text_column)
    if config.id_column is not None and config.id_column not in df.columns:
        raise DataError(f"column {config.id_column!r} not found; the table has {df.columns}; set --id-column")
    return df


def format_of(path: str) -> str:
    """Return the format a path's name tells, "table" for what looks like a table's name, else "parquet"."""
    bare = _COMPRESSED.sub("", path.rstrip("/*"))
    suffix = bare.rsplit(".", 1)[-1].lower() if "." in bare.rsplit("/", 1)[-1] else ""
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    return "table" if "/" not in path and _TABLE.match(path) else "parquet"


def _load(spark: SparkSession, config: InputConfig, kind: str) -> DataFrame:
    path = config.path
    assert path is not None
    if kind == "table":
        return spark.table(path)
    if kind == "csv":
        return _read_csv(spark, config)
    if kind == "json":
        reader = spark.read.option("columnNameOfCorruptRecord", MALFORMED_COLUMN).option("encoding", config.encoding)
        return reader.json(path, mode="PERMISSIVE")
    return spark.read.format(kind).load(path)


def _read_csv(spark: SparkSession, config: InputConfig) -> DataFrame:
    """Every column as string, so that ids keep their digits; quotes are doubled inside quotes, as the standard has
    it.
    """
    options = {
        "header": "true",
        "multiLine": "true",
        "quote": '"',
        "escape": '"',
        "sep": config.delimiter,
        "encoding": config.encoding,
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": MALFORMED_COLUMN,
        "maxCharsPerColumn": "-1",
        "nullValue": "\0",  # else Spark takes a quoted empty text for a missing one
    }
    reader = spark.read.format("csv").options(**options)
    names = reader.option("inferSchema", "false").load(config.path).columns
    fields = [T.StructField(name, T.StringType()) for name in [*names, MALFORMED_COLUMN]]
    return reader.schema(T.StructType(fields)).load(config.path)


def spread(df: DataFrame, size: int | None, partition_mb: float | None = None) -> DataFrame:
    """Spread rows over tasks by bytes before BERT: one big compressed file would be one task.

    Parameters
    ----------
    df
        The input.
    size
        Its bytes; None where they can't be known.
    partition_mb
        Text per task. By default 256 kB, so that a small table keeps all cores busy, growing to 16 MB, so that a
        large one
        does not drown in tasks.
    """
    if size is None and partition_mb is None:
        return df.repartition(200)
    count = partitions_for(size or 0, partition_mb)
    return df.repartition(count)


def partitions_for(size: int, partition_mb: float | None = None) -> int:
    """Return into how many tasks `size` bytes go."""
    if partition_mb is not None:
        return max(1, -(-size // int(partition_mb * 1e6)))
    small, large = 256 * 1024, 16 * 1024 * 1024
    return max(1, min(-(-size // small), 1000), -(-size // large))


def input_bytes(spark: SparkSession, df: DataFrame) -> int | None:
    """Return the bytes of the files a DataFrame reads; None where they can't be known. Lists files, reads none."""
    files = [unquote(uri) for uri in df.inputFiles()]
    if not files:
        return None
    try:
        size = spark.read.format("binaryFile").load(files).select(F.sum("length")).first()
    except AnalysisException:  # a name with * or [ in it is a pattern to Spark
        return None
    return int(size[0]) if size and size[0] is not None else None


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
    mode = "errorifexists" if config.if_exists == "error" else config.if_exists
    if config.format == "table":
        df.write.mode(mode).saveAsTable(config.path)
    else:
        df.write.mode(mode).format(config.format).save(config.path)
