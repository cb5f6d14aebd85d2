"""What an incremental run keeps in its checkpoint beside Spark's own files, and what it refuses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.runs.file_columns import column_differences, columns_from_ddl
from bert_spark.runs.stream_source import StreamSource
from bert_spark.runs.unread_files import find_unread
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.outputs import output_is_empty, path_exists
from bert_spark.tables.readers import rename_text_value
from bert_spark.tables.schema import check_text_column
from bert_spark.tables.storage import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


PIN_FILE = "pinned.json"
SPARK_FOLDER = "spark"  # Spark's own files beside it


def pinned_source(
    spark: SparkSession,
    source: InputConfig,
    identity: Mapping[str, str],
    schedule: ScheduleConfig,
    checkpoint: Folder,
    output: str,
) -> StreamSource:
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
    pin = json.loads(checkpoint.read(PIN_FILE) or "{}")
    _check_owner(pin, {"input": source.path, "output": output}, identity, checkpoint)
    new = find_unread(spark, source, checkpoint / SPARK_FOLDER)
    is_given = pin.get("given", schedule.schema is not None)
    schema = (
        T.StructType.fromJson(pin["schema"]) if pin else columns_from_ddl(spark, schedule.schema, source) or new.schema
    )
    if schema is None:
        raise DataError(f"no records in {source.path!r} to take the columns from; set --schema, or wait for the first")
    check_text_column(
        rename_text_value(spark.createDataFrame([], schema), source, input_format(source)), source.text_column
    )
    wrong = column_differences(new.schema, schema, source, new.files, typed=not is_given)
    if wrong:
        raise DataError(
            f"new files of {source.path!r}{_file_names(new.files)} have other columns than "
            f"{'--schema says' if is_given else 'the first run saw'}: {'; '.join(wrong)}. Nothing is lost: mend the "
            "files and run again, or start another --checkpoint and --output with the new columns"
        )
    facts = {"input": source.path, "output": output, "identity": dict(identity), "schema": json.loads(schema.json())}
    kept = {"id": secrets.token_hex(4), "begun": False, "published": False, "given": is_given}
    pin = facts | {name: pin.get(name, first) for name, first in kept.items()}
    checkpoint.write(PIN_FILE, json.dumps(pin, indent=2))
    return StreamSource(source, schema, new, pin)


def mark_checkpoint(checkpoint: Folder, what: str) -> None:
    """Keep in the checkpoint that publishing has "begun": the output may hold rows from now on; or is "published"."""
    pin = json.loads(checkpoint.read(PIN_FILE) or "{}")
    if not pin[what]:
        checkpoint.write(PIN_FILE, json.dumps({**pin, what: True}, indent=2))


def check_checkpoint_and_output(
    spark: SparkSession, checkpoint: Folder, arrivals: StreamSource, output: OutputConfig
) -> None:
    """Refuse a checkpoint and an output of which somebody has removed one.

    Raises
    ------
    ConfigError
        When they can't be of one another.
    """
    pin, path = arrivals.pin, str(output.path)
    if pin["published"] and not path_exists(spark, path, output.format):
        raise ConfigError(
            f"checkpoint {checkpoint.uri} has published into {path!r}, which is not there: rows read before would be "
            "missing. Bring it back, or start another --checkpoint, which reads all again"
        )
    if pin["published"] and not (checkpoint / SPARK_FOLDER / "offsets").names():
        raise ConfigError(
            f"{(checkpoint / SPARK_FOLDER).uri} is gone, Spark's list of what was read: all would be in {path!r} twice. Bring "
            "it back, or start another --checkpoint and --output"
        )
    if not pin["begun"] and not output_is_empty(spark, output):
        raise ConfigError(
            f"output {path!r} holds batches that checkpoint {checkpoint.uri} knows nothing of: its own, numbered from "
            "0, would replace them. Go on with the checkpoint they were made with, or write to another --output"
        )


def _check_owner(
    pin: Mapping[str, Any], places: Mapping[str, Any], identity: Mapping[str, str], checkpoint: Folder
) -> None:
    if not pin:
        return
    for what, mine in places.items():
        if pin[what] != mine:
            raise ConfigError(
                f"checkpoint {checkpoint.uri} is of {what} {pin[what]!r}, this run's is {mine!r}; each input, and each "
                f"output, needs a --checkpoint of its own. If it was only moved, change it in {checkpoint.uri}/{PIN_FILE}"
            )
    for key, mine in identity.items():
        if pin["identity"].get(key) != mine:
            theirs = str(pin["identity"].get(key))[:12]
            raise FingerprintError(
                f"checkpoint {checkpoint.uri} is of {key.rsplit('.', 1)[-1]} {theirs}, this "
                f"run makes {mine[:12]}; start another --checkpoint, and --new-version, to read all again"
            )


def _file_names(files: Iterable[str]) -> str:
    names = [uri.rpartition("/")[2] for uri in sorted(files)]
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return f" ({', '.join(names[:3] + more)})" if names else ""
