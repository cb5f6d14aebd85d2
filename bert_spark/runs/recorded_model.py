"""Which model made the rows of a folder or table, where its columns do not say so: ORC, JSON and csv keep no metadata.

The record of the last run that wrote there names it, or the properties of the table.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bert_spark.errors import FingerprintError, SetupError
from bert_spark.runs.run_history import records_of_output
from bert_spark.runs.run_record import RECORDS_FOLDER
from bert_spark.storage import Folder
from bert_spark.tables.config import InputConfig, OutputConfig
from bert_spark.tables.output_address import is_path, path_pattern
from bert_spark.tables.outputs import qualified_path
from bert_spark.tables.ownership import table_properties
from bert_spark.tables.path_overlap import literal_prefix
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def recorded_model(spark: SparkSession, source: InputConfig) -> dict[str, str]:
    """Return metadata key -> value of the model that made an input; empty if nothing says so.

    The input may be one partition or one file of an output.
    """
    if not is_path(source):
        return table_properties(spark, OutputConfig(source.path, format="table"))
    whole = literal_prefix(path_pattern(source)).rstrip("/").partition("=")
    path = posixpath.dirname(whole[0]) if whole[1] else whole[0]
    candidates = [path, posixpath.dirname(path)]
    return next(filter(None, (_of_records(spark, folder, None) for folder in candidates if folder)), {})


def recorded_owner(spark: SparkSession, output: OutputConfig, work: str | None) -> Callable[[], dict[str, str]]:
    """Return a function that returns metadata key -> value of the model that an output belongs to.

    Parameters
    ----------
    spark
        The session.
    output
        An existing folder or table. A table's properties are read elsewhere: the function returns nothing then.
    work
        The run's `--work`, where its records are; None if they are beside the output.
    """
    if output.format == "table":
        return dict
    return functools.partial(_of_records, spark, str(output.path), work)


def _of_records(spark: SparkSession, path: str, work: str | None) -> dict[str, str]:
    for folder in _record_folders(spark, path, work):
        for record in records_of_output(folder, path):
            if record.get("status", "published") == "published" and record.get("rows_out"):
                found = {FINGERPRINT_KEY: record.get("fingerprint"), ARTEFACT_KEY: record.get("artefact_digest")}
                return {key: str(value) for key, value in found.items() if value is not None}
    return {}


def _record_folders(spark: SparkSession, path: str, work: str | None) -> Iterator[Folder]:
    beside = posixpath.dirname(qualified_path(spark, path.rstrip("/")))
    for place in [beside] if work is None else [qualified_path(spark, work), beside]:
        try:
            yield Folder(place) / RECORDS_FOLDER
        except SetupError:  # this process cannot reach the storage
            continue


def known_vectors(source: InputConfig, column: str, fingerprint: str) -> Callable[[DataFrame], DataFrame]:
    """Return a function that returns rows as they are, after a check that their vectors are the encoder's.

    Vectors whose column names their encoder are left to `with_score`.

    Parameters
    ----------
    source
        The input that the rows are read from.
    column
        Of the vectors.
    fingerprint
        Of the encoder whose vectors are expected.

    Raises
    ------
    FingerprintError
        When the function is called: if another encoder made the vectors, or nothing says which one did.
    """

    def check(rows: DataFrame) -> DataFrame:
        if column not in rows.columns or FINGERPRINT_KEY in rows.schema[column].metadata:
            return rows
        stored = recorded_model(rows.sparkSession, source).get(FINGERPRINT_KEY)
        if stored is None:
            raise FingerprintError(
                f"input {source.path!r} does not say which encoder made its vectors; expected those of encoder "
                f"{fingerprint[:12]}, which the artefact was trained on: if they are, pass --trust-vectors"
            )
        if stored != fingerprint:
            raise FingerprintError(
                f"input {source.path!r}: the run that wrote it made vectors of encoder {stored[:12]}, the artefact was "
                f"trained on {fingerprint[:12]}; embed the texts again with the artefact's encoder, or train on these "
                "vectors"
            )
        return rows

    return check
