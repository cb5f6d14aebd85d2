"""New files or table rows as a stream, with the columns the first run saw: a later file that differs is refused."""

from __future__ import annotations

import datetime
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.columns import HIDDEN, MALFORMED_COLUMN, check_text_column
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.files import Folder
from bert_spark.jobconf import InputConfig
from bert_spark.scheduleconf import ScheduleConfig
from bert_spark.sources import kind_of, named, options_of, schema_of
from bert_spark.spread import input_bytes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

PIN = "pinned.json"
FILE = f"{HIDDEN}file"  # in staged rows: the file that a row was read from
# Columns are looked at in files changed since the last run began, less so much for clocks that differ
SLACK = datetime.timedelta(days=1)
KEPT_FOR = "36500d"  # Spark's own 7 days would pass over a file that arrives with an old date


@dataclass(frozen=True)
class Arrivals:
    """What an incremental run reads: the input, its columns, and how many new bytes there are at most.

    Parameters
    ----------
    source
        The input.
    schema
        Its pinned columns.
    new_bytes
        Of the files that may be new; None where they can't be known.
    pin
        What the checkpoint has kept beside Spark's own files.
    """

    source: InputConfig
    schema: T.StructType
    new_bytes: int | None
    pin: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its format."""
        return kind_of(self.source)

    def stream(self, spark: SparkSession, schedule: ScheduleConfig) -> DataFrame:
        """Return what is new as a streaming DataFrame; each row says in a hidden column which file it is from."""
        kind, path = self.kind, str(self.source.path)
        reader = spark.readStream.option("maxFilesPerTrigger", schedule.max_files).option("maxFileAge", KEPT_FOR)
        if schedule.max_bytes is not None:
            if spark.version < "4":
                raise ConfigError(f"--max-bytes needs Spark 4; this is {spark.version}: set --max-files")
            reader = spark.readStream.option("maxBytesPerTrigger", schedule.max_bytes).option("maxFileAge", KEPT_FOR)
        if kind == "table":
            df = reader.table(path)
        else:
            reader = reader.format(kind).options(**options_of(spark, self.source, kind))
            reader = reader if kind == "delta" else reader.schema(self.schema)  # Delta takes none but its own
            df = named(reader.load(path), self.source, kind)
        check_text_column(df, self.source.text_column)
        return df.select("*", F.col("_metadata.file_path").alias(FILE))

    def reread(self, spark: SparkSession, files: list[str]) -> DataFrame:
        """Return the records of some files once more, without BERT, to be counted; those of a table say their file."""
        kind, path = self.kind, str(self.source.path)
        if kind in ("table", "delta"):
            table = spark.table(path) if kind == "table" else spark.read.format(kind).load(path)
            file = F.col("_metadata.file_path")
            return table.where(file.isin(files)).select("*", file.alias(FILE))
        reader = spark.read.format(kind).options(**options_of(spark, self.source, kind))
        base = {} if kind == "text" else {"basePath": _root(path)}
        return named(
            reader.options(**base).schema(self.schema).load([unquote(uri) for uri in files]), self.source, kind
        )


def pinned(
    spark: SparkSession,
    source: InputConfig,
    identity: Mapping[str, str],
    schedule: ScheduleConfig,
    checkpoint: Folder,
    output: str,
) -> Arrivals:
    """Return the arrivals of an input, with the columns that its checkpoint has kept, or keeps from now on.

    Parameters
    ----------
    output
        Address of what the rows go to: another one would lack what was read before.

    Raises
    ------
    ConfigError
        When the checkpoint is of another input or output.
    FingerprintError
        When it is of another model.
    DataError
        When new files have a column more, or one of another type; both are named.
    """
    now = datetime.datetime.now(datetime.UTC)
    pin = json.loads(checkpoint.read(PIN) or "{}")
    _check_same(pin, {"input": source.path, "output": output}, identity, checkpoint)
    since = datetime.datetime.fromisoformat(pin["since"]) - SLACK if pin else None
    found, size = _columns_of(spark, source, since)
    if pin:
        schema = T.StructType.fromJson(pin["schema"])
        _check_columns(found, schema, source)
    else:
        first = _given(spark, schedule.schema, source) or found
        if first is None:
            raise DataError(
                f"no files in {source.path!r} to take the columns from; set --schema, or wait for the first"
            )
        schema = first
        if schedule.schema is not None:
            _check_columns(found, schema, source)
    facts = {"input": source.path, "output": output, "identity": dict(identity), "schema": json.loads(schema.json())}
    kept = {"id": pin.get("id") or secrets.token_hex(4), "begun": pin.get("begun", False)}
    pin = facts | kept | {"since": now.isoformat()}
    checkpoint.write(PIN, json.dumps(pin, indent=2))
    return Arrivals(source, schema, size, pin)


def begin(checkpoint: Folder, arrivals: Arrivals) -> None:
    """Note that rows are about to be published: from now on the output may hold some."""
    if not arrivals.pin["begun"]:
        checkpoint.write(PIN, json.dumps({**arrivals.pin, "begun": True}, indent=2))


def _check_same(
    pin: Mapping[str, Any], places: Mapping[str, Any], identity: Mapping[str, str], checkpoint: Folder
) -> None:
    if not pin:
        return
    for what, mine in places.items():
        if pin[what] != mine:
            raise ConfigError(
                f"checkpoint {checkpoint.uri} is of {what} {pin[what]!r}, this run's is {mine!r}; each input, and each "
                f"output, needs a --checkpoint of its own. If it was only moved, change it in {checkpoint.uri}/{PIN}"
            )
    for key, mine in identity.items():
        if pin["identity"].get(key) != mine:
            theirs = str(pin["identity"].get(key))[:12]
            raise FingerprintError(
                f"checkpoint {checkpoint.uri} is of {key.rsplit('.', 1)[-1]} {theirs}, this "
                f"run makes {mine[:12]}; start another --checkpoint, and --new-version, to read all again"
            )


def _columns_of(
    spark: SparkSession, source: InputConfig, since: datetime.datetime | None
) -> tuple[T.StructType | None, int | None]:
    """Return the columns and bytes of the files changed since a time, or of all; (None, 0) where there are none."""
    kind, path = kind_of(source), str(source.path)
    try:
        if kind == "table":
            table = spark.table(path)
            return table.schema, input_bytes(table)
        options = {"mergeSchema": "true", "dropFieldIfAllNull": "true"} if since else {"mergeSchema": "true"}
        newer = {"modifiedAfter": since.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": "UTC"} if since else {}
        files = spark.read.format("binaryFile").options(**newer).load(path).select(F.sum("length")).first()
        if not files or files[0] is None:
            return None, 0
        return schema_of(spark, source, kind, **options, **newer), int(files[0])
    except AnalysisException as err:
        if "PATH_NOT_FOUND" in str(err):
            return None, 0
        raise DataError(f"can't read {path!r} as {kind}: {str(err).splitlines()[0]}") from err
    except PySparkException as err:
        raise DataError(f"the files in {path!r} don't agree on their columns: {str(err).splitlines()[0]}") from err


def _given(spark: SparkSession, ddl: str | None, source: InputConfig) -> T.StructType | None:
    if ddl is None:
        return None
    try:
        fields = list(spark.createDataFrame([], ddl).schema.fields)
    except ParseException as err:
        raise ConfigError(f"schema={ddl!r} is no list of columns; expected e.g. 'id STRING, text STRING'") from err
    if kind_of(source) in ("csv", "json"):
        fields.append(T.StructField(MALFORMED_COLUMN, T.StringType()))
    return T.StructType(fields)


def _check_columns(found: T.StructType | None, schema: T.StructType, source: InputConfig) -> None:
    if found is None:
        return
    known = {field.name: field.dataType for field in schema.fields}
    wrong = [f"new column {f.name!r} ({f.dataType.simpleString()})" for f in found.fields if f.name not in known]
    wrong += [
        f"column {field.name!r} is {field.dataType.simpleString()}, was {known[field.name].simpleString()}"
        for field in found.fields
        if field.name in known and not _fits(field.dataType, known[field.name], kind_of(source))
    ]
    if kind_of(source) != "text" and source.text_column not in found.names:
        wrong.append(f"column {source.text_column!r} is gone")
    if wrong:
        raise DataError(
            f"new files of {source.path!r} have other columns than the first run saw: {'; '.join(wrong)}. Nothing "
            "is lost: mend the files and run again, or start another --checkpoint and --output with the new columns"
        )


def _fits(found: T.DataType, known: T.DataType, kind: str) -> bool:
    """Tell whether values of one type can be read as another; json's types go by what happens to be in a file."""
    if found == known:
        return True
    return kind == "json" and (
        isinstance(known, T.StringType) or (isinstance(known, T.DoubleType) and isinstance(found, T.LongType))
    )


def _root(path: str) -> str:
    """Return the part of a path before its first pattern."""
    parts = path.split("/")
    first = next((n for n, part in enumerate(parts) if set(part) & set("*?[{")), len(parts))
    return "/".join(parts[:first]) or "/"
