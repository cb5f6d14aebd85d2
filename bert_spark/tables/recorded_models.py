"""Which encoder or artefact made an output, by the record beside it: some formats keep no metadata of columns."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bert_spark.errors import SetupError
from bert_spark.storage import Folder
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import qualified_path, table_properties
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY
from bert_spark.tables.run_records import RECORDS_FOLDER, records_of_output

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_PATTERN = set("*?[{=")  # in the last part of a path: a pattern, or a partition such as run_date=2026-11-24


def latest_record(
    spark: SparkSession, address: str, kind: str, job: str = "", work: str | None = None
) -> dict[str, Any]:
    """Return the record of the last run that wrote rows into an output; an empty dict if there is none to be read.

    Parameters
    ----------
    spark
        The session.
    address
        The output: a folder, one of its partitions or files, or a table's name.
    kind
        Its format; "table" for a table.
    job
        Only records of this job, if it is set.
    work
        The `--work` of the output's runs, which leave their records there.
    """
    if kind == "table":
        records = _records_of_table(spark, address, job)
    else:
        records = _records_of_folder(spark, address, job, work)
    return next((dict(record) for record in records if _wrote_rows(record)), {})


def recorded_owner(spark: SparkSession, output: OutputConfig, work: str | None) -> dict[str, str]:
    """Return metadata key -> value of the model that made an output's rows, by its `latest_record`."""
    record = latest_record(spark, str(output.path), output.format, work=work)
    owner = {FINGERPRINT_KEY: record.get("fingerprint"), ARTEFACT_KEY: record.get("artefact_digest")}
    return {key: str(value) for key, value in owner.items() if value}


def _records_of_table(spark: SparkSession, name: str, job: str) -> Iterator[Mapping[str, Any]]:
    records = [
        json.loads(value)
        for key, value in table_properties(spark, OutputConfig(name, "table")).items()
        if key.startswith(f"bert_spark.{job}") and value.startswith("{")
    ]
    yield from sorted(records, key=lambda record: str(record.get("started")), reverse=True)


def _records_of_folder(spark: SparkSession, path: str, job: str, work: str | None) -> Iterator[Mapping[str, Any]]:
    folder = qualified_path(spark, path).rstrip("/")
    while set(posixpath.basename(folder)) & _PATTERN:
        folder = posixpath.dirname(folder)
    for output in (folder, posixpath.dirname(folder)):  # the second if the address is that of one of its files
        beside = posixpath.dirname(output)
        for place in [beside] if work is None else [qualified_path(spark, work), beside]:
            try:
                records = records_of_output(Folder(place) / RECORDS_FOLDER, output, job)
            except SetupError:  # this process cannot reach the storage
                continue
            for record in records:  # outputs of one name in several folders may share --work
                if place == beside or qualified_path(spark, str(record["output"])).rstrip("/") == output:
                    yield record


def _wrote_rows(record: Mapping[str, Any]) -> bool:
    return bool(record.get("rows_out")) and record.get("status", "published") == "published"
