"""Pin an incremental run's input, output, model and columns in its checkpoint, beside Spark's own files.

Refuses a run that does not match its checkpoint: its rows would be missing, doubled, or of another model.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from bert_spark.errors import ConfigError, DataError, FingerprintError
from bert_spark.runs.held_files import HeldFiles
from bert_spark.runs.new_file_columns import column_differences, columns_from_ddl
from bert_spark.runs.new_files import NewFiles, file_names, find_new_files
from bert_spark.runs.stream_source import StreamSource
from bert_spark.storage import Folder
from bert_spark.tables.config import InputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.outputs import output_is_empty, path_exists
from bert_spark.tables.records import as_records
from bert_spark.tables.text_column import with_text_column

if TYPE_CHECKING:
    from bert_spark.runs.scheduled_run import ScheduledRun


PIN_FILE = "pinned.json"
SPARK_FOLDER = "spark"  # Spark's own files, beside the pin


def pinned_source(run: ScheduledRun, checkpoint: Folder, output: str) -> StreamSource:
    """Return the run's input with the columns that the checkpoint pins. The first run pins them.

    Parameters
    ----------
    run
        The incremental run.
    checkpoint
        The folder set with --checkpoint.
    output
        Address of the output. Another output would lack the rows that were read before.

    Raises
    ------
    ConfigError
        If the checkpoint belongs to another input or output.
    FingerprintError
        If it belongs to another model.
    DataError
        If the columns are unknown, or new files have an additional column or one of another type. The message names
        the files and the columns.
    """
    source = run.task.source
    pin = json.loads(checkpoint.read(PIN_FILE) or "{}")
    _check_owner(pin, {"input": source.path, "output": output}, run.task.identity, checkpoint)
    held = HeldFiles.of(checkpoint)
    new = find_new_files(run.spark, source, checkpoint / SPARK_FOLDER, held.read_again or {})
    from_option = pin.get("given", run.schedule.schema is not None)
    schema = T.StructType.fromJson(pin["schema"]) if pin else _first_columns(run, new)
    empty = as_records(run.spark.createDataFrame([], schema), source, input_format(source))
    source = with_text_column(empty, source, run.task.not_texts)
    _check_columns(source, schema, new, from_option=from_option)
    pin = {
        "input": source.path,
        "output": output,
        "identity": dict(run.task.identity),
        "schema": json.loads(schema.json()),
        "id": pin.get("id", secrets.token_hex(4)),
        "begun": pin.get("begun", False),
        "published": pin.get("published", False),
        "given": from_option,
    }
    checkpoint.write(PIN_FILE, json.dumps(pin, indent=2))
    return StreamSource(source, schema, new, pin)


def mark_publishing_begun(checkpoint: Folder) -> None:
    """Record in the checkpoint that the output may hold rows from now on."""
    _set_flag(checkpoint, "begun")


def mark_published(checkpoint: Folder) -> None:
    """Record in the checkpoint that the output holds all rows that were read."""
    _set_flag(checkpoint, "published")


def _set_flag(checkpoint: Folder, name: str) -> None:
    pin = json.loads(checkpoint.read(PIN_FILE) or "{}")
    if not pin[name]:
        checkpoint.write(PIN_FILE, json.dumps({**pin, name: True}, indent=2))


def check_checkpoint_and_output(run: ScheduledRun, checkpoint: Folder, source: StreamSource) -> None:
    """Refuse a checkpoint and an output that do not belong together, as after one of them was removed.

    Raises
    ------
    ConfigError
        If the output or Spark's part of the checkpoint is missing, or the output holds rows that the checkpoint does
        not know.
    """
    pin, output = source.pin, run.task.output
    path = str(output.path)
    if pin["published"] and not path_exists(run.spark, path, output.format):
        raise ConfigError(
            f"checkpoint {checkpoint.uri} has published into {path!r}, which does not exist: rows read before would be "
            "missing. Restore the output and run again, or pass a new --checkpoint, which reads all of the input again"
        )
    if pin["published"] and not (checkpoint / SPARK_FOLDER / "offsets").names():
        raise ConfigError(
            f"{(checkpoint / SPARK_FOLDER).uri}, Spark's list of what was read, is missing: every row would be in "
            f"{path!r} twice. Restore it and run again, or pass a new --checkpoint with a new --output"
        )
    if not pin["begun"] and not output_is_empty(run.spark, output):
        raise ConfigError(
            f"output {path!r} holds batches that checkpoint {checkpoint.uri} does not know. The checkpoint's own "
            "batches, numbered from 0, would replace them. Pass the --checkpoint that they were made with, or another "
            "--output"
        )


def _first_columns(run: ScheduledRun, new: NewFiles) -> T.StructType:
    source = run.task.source
    schema = columns_from_ddl(run.spark, run.schedule.schema, source) or new.schema
    if schema is None:
        raise DataError(
            f"input {source.path!r} holds no records that show its columns; set --schema, or run again when the first "
            "record has arrived"
        )
    return schema


def _check_columns(source: InputConfig, pinned: T.StructType, new: NewFiles, *, from_option: bool) -> None:
    """Raise DataError if new files have other columns than the pinned ones."""
    differences = column_differences(new.schema, pinned, source, new.files, compare_types=not from_option)
    if differences:
        raise DataError(
            f"new files of {source.path!r}{file_names(new.files)} have other columns than "
            f"{'--schema says' if from_option else 'the first run saw'}: {'; '.join(differences)}. Nothing was read. "
            "Correct the files and run again, or pass a new --checkpoint and --output for the new columns"
        )


def _check_owner(
    pin: Mapping[str, Any], places: Mapping[str, Any], identity: Mapping[str, str], checkpoint: Folder
) -> None:
    """Refuse another input, output or model than the pinned one."""
    if not pin:
        return
    for name, current in places.items():
        if pin[name] != current:
            raise ConfigError(
                f"checkpoint {checkpoint.uri} belongs to {name} {pin[name]!r}, but this run's is {current!r}. Pass a "
                f"--checkpoint of its own for each input and output. If the {name} was only moved, change it in "
                f"{checkpoint.uri}/{PIN_FILE}"
            )
    for key, current in identity.items():
        if pin["identity"].get(key) != current:
            pinned = str(pin["identity"].get(key))[:12]
            raise FingerprintError(
                f"checkpoint {checkpoint.uri} belongs to {key.rsplit('.', 1)[-1]} {pinned}, but this run's is "
                f"{current[:12]}. Pass a new --checkpoint, and --new-version, to read all of the input again"
            )
