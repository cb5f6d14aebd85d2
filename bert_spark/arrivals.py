"""New files or table rows as a stream, with the columns the first run saw: a later file that differs is refused."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.columns import HIDDEN, check_text_column
from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.files import Folder
from bert_spark.jobconf import InputConfig, OutputConfig
from bert_spark.newfiles import Unread, columns_of, differences, given, unread
from bert_spark.scheduleconf import ScheduleConfig
from bert_spark.sinks import exists, is_empty
from bert_spark.sources import kind_of, named, options_of
from bert_spark.spread import paths_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

PIN = "pinned.json"
SPARK = "spark"  # Spark's own files beside it
FILE = f"{HIDDEN}file"  # in staged rows: the file that a row was read from
KEPT_FOR = "36500d"  # Spark's own 7 days would pass over a file that arrives with an old date


@dataclass(frozen=True)
class Arrivals:
    """What an incremental run reads: the input, its columns, and what is new in it.

    Parameters
    ----------
    source
        The input.
    schema
        Its pinned columns.
    new
        What was there when their columns were looked at.
    pin
        What the checkpoint has kept beside Spark's own files.
    """

    source: InputConfig
    schema: T.StructType
    new: Unread
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
        reader = reader if kind == "text" else reader.schema(self.schema)
        return named(reader.load(paths_of(files)), self.source, kind)

    def dropped(self, spark: SparkSession, files: list[str]) -> list[str]:
        """Say what columns of staged files the rows lack, of those that came after the columns were looked at."""
        late = [] if self.kind in ("table", "delta") else sorted(set(files) - self.new.files)
        return late and differences(
            columns_of(spark, self.source, late), self.schema, self.source, late, typed=not self.pin["given"]
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
    pin = json.loads(checkpoint.read(PIN) or "{}")
    _check_same(pin, {"input": source.path, "output": output}, identity, checkpoint)
    new = unread(spark, source, checkpoint / SPARK)
    is_given = pin.get("given", schedule.schema is not None)
    schema = T.StructType.fromJson(pin["schema"]) if pin else given(spark, schedule.schema, source) or new.schema
    if schema is None:
        raise DataError(f"no records in {source.path!r} to take the columns from; set --schema, or wait for the first")
    check_text_column(named(spark.createDataFrame([], schema), source, kind_of(source)), source.text_column)
    wrong = differences(new.schema, schema, source, new.files, typed=not is_given)
    if wrong:
        raise DataError(
            f"new files of {source.path!r}{_some(new.files)} have other columns than "
            f"{'--schema says' if is_given else 'the first run saw'}: {'; '.join(wrong)}. Nothing is lost: mend the "
            "files and run again, or start another --checkpoint and --output with the new columns"
        )
    facts = {"input": source.path, "output": output, "identity": dict(identity), "schema": json.loads(schema.json())}
    kept = {"id": secrets.token_hex(4), "begun": False, "published": False, "given": is_given}
    pin = facts | {name: pin.get(name, first) for name, first in kept.items()}
    checkpoint.write(PIN, json.dumps(pin, indent=2))
    return Arrivals(source, schema, new, pin)


def note(checkpoint: Folder, what: str) -> None:
    """Keep in the checkpoint that publishing has "begun": the output may hold rows from now on; or is "published"."""
    pin = json.loads(checkpoint.read(PIN) or "{}")
    if not pin[what]:
        checkpoint.write(PIN, json.dumps({**pin, what: True}, indent=2))


def check_there(spark: SparkSession, checkpoint: Folder, arrivals: Arrivals, output: OutputConfig) -> None:
    """Refuse a checkpoint and an output of which somebody has removed one.

    Raises
    ------
    ConfigError
        When they can't be of one another.
    """
    pin, path = arrivals.pin, str(output.path)
    if pin["published"] and not exists(spark, path, output.format):
        raise ConfigError(
            f"checkpoint {checkpoint.uri} has published into {path!r}, which is not there: rows read before would be "
            "missing. Bring it back, or start another --checkpoint, which reads all again"
        )
    if pin["published"] and not (checkpoint / SPARK / "offsets").names():
        raise ConfigError(
            f"{(checkpoint / SPARK).uri} is gone, Spark's list of what was read: all would be in {path!r} twice. Bring "
            "it back, or start another --checkpoint and --output"
        )
    if not pin["begun"] and not is_empty(spark, output):
        raise ConfigError(
            f"output {path!r} holds batches that checkpoint {checkpoint.uri} knows nothing of: its own, numbered from "
            "0, would replace them. Go on with the checkpoint they were made with, or write to another --output"
        )


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


def _some(files: Iterable[str]) -> str:
    names = [uri.rpartition("/")[2] for uri in sorted(files)]
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return f" ({', '.join(names[:3] + more)})" if names else ""
