"""Build a run's record (settings, counts, speed) and write it to `_manifests` beside the output.

Counts come from the pass that does the work, or from the rows that it wrote, never from a second encoding. This module
imports pyspark only inside functions: `jobs/history.py` reads records without Spark.
"""

from __future__ import annotations

import datetime
import json
import posixpath
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bert_spark.errors import SetupError
from bert_spark.storage import Folder
from bert_spark.tables.run_records import RECORDS_FOLDER
from bert_spark.versions import versions

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from bert_spark.encoding.config import EncoderConfig
    from bert_spark.tables.observed_counts import ObservedCounts


_REDACTED = re.compile("secret|password|token|access[.]?key", re.IGNORECASE)  # spark.redaction.regex's default


class RunRecord:
    """One run's record, from its start to its file.

    Parameters
    ----------
    job
        Name of the job.
    output
        Folder or table that the run writes.
    config, fingerprint
        The encoder's settings and identity.
    settings
        Further entries of the record.
    """

    def __init__(
        self, job: str, output: str, config: EncoderConfig, fingerprint: str, settings: dict[str, Any]
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._started_at = time.perf_counter()
        self._observed: list[ObservedCounts] = []
        self.content: dict[str, Any] = {
            "run_id": f"{job}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            "job": job,
            "started": now.isoformat(timespec="seconds"),
            "output": output,
            "encoder": config.settings(),
            "fingerprint": fingerprint,
            "versions": versions(),
            **settings,
        }

    def count_input(self, df: DataFrame, text_column: str) -> DataFrame:
        """Return `df` with its records counted as they are read; see `row_counts.input_counts`."""
        from bert_spark.tables.row_counts import input_counts

        return self.observe(df, input_counts(df, text_column))

    def observe(
        self, df: DataFrame, counts: Sequence[Column], count_again: Callable[[], dict[str, Any]] | None = None
    ) -> DataFrame:
        """Return `df` with `counts` computed in the pass that reads it; see `observed_counts.ObservedCounts`."""
        from bert_spark.tables.observed_counts import ObservedCounts

        self._observed.append(ObservedCounts(df, counts, count_again))
        return self._observed[-1].rows

    def finish(self, counts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Add time and counts to the record and return it. Call it after the run's one Spark action.

        Parameters
        ----------
        counts
            Further counts, besides those observed. One of the two must hold "rows_out".
        """
        from bert_spark.tables.row_counts import nest_label_counts

        observed = {name: n for counts_of_pass in self._observed for name, n in counts_of_pass.result().items()}
        all_counts = observed | dict(counts or {})
        seconds = time.perf_counter() - self._started_at
        self.content |= nest_label_counts(all_counts)
        self.content["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.content["seconds"] = round(seconds, 1)
        self.content["rows_per_second"] = round(all_counts["rows_out"] / seconds, 1)
        return self.content


def save_record(spark: SparkSession, content: Mapping[str, Any], kind: str) -> str:
    """Write a record beside the output, or into the table's properties, and return its address.

    Parameters
    ----------
    spark
        The session.
    content
        The record.
    kind
        Format of the output; "table" for a table.
    """
    output, run_id = content["output"], content["run_id"]
    from bert_spark.tables.outputs import qualified_path, set_table_properties

    if kind == "table":
        line = without_redacted_words(json.dumps(content, sort_keys=True))
        set_table_properties(spark, output, {f"bert_spark.{run_id}": line})
        return f"property bert_spark.{run_id} of table {output}"

    path = qualified_path(spark, output)  # one without a scheme may be on HDFS
    return write_beside(spark, path, f"{RECORDS_FOLDER}/{run_id}.json", record_as_json(content))


def record_as_json(content: Mapping[str, Any]) -> str:
    """Return a record as the text of its file."""
    return json.dumps(content, indent=2, sort_keys=True)


def without_redacted_words(text: str) -> str:
    """Return the same JSON with one letter escaped in each word that makes Spark hide a table property's value."""
    return _REDACTED.sub(lambda word: f"\\u{ord(word[0][0]):04x}{word[0][1:]}", text)


def write_beside(spark: SparkSession, path: str, name: str, text: str) -> str:
    """Write `text` to `name` in the folder that holds `path`; return the file's path.

    This process writes the file if it can reach the folder; otherwise Spark writes it.
    """
    target = f"{posixpath.dirname(path.rstrip('/'))}/{name}"
    folder, _, file = target.rpartition("/")
    try:
        Folder(folder).write(file, text)
    except SetupError:
        spark.createDataFrame([(text,)], "value string").coalesce(1).write.mode("overwrite").text(target)
    return re.sub("^file:/+", "/", target)
