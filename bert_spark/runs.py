"""What a run leaves behind: a record of its settings, counts and speed. Counts come from the pass that does the
work, through
Spark's observe, never from a second one."""

from __future__ import annotations

import datetime
import json
import logging
import posixpath
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pyspark.sql import Observation
from pyspark.sql import functions as F

from bert_spark.config import EncoderConfig
from bert_spark.errors import DataError
from bert_spark.jobconf import OutputConfig
from bert_spark.text import MALFORMED_ROW, MISSING_TEXT
from bert_spark.versions import versions

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

logger = logging.getLogger(__name__)

FOLDER = "_manifests"
# Line ends in one text at which a quote was probably left open, and the record swallowed those after it.
MANY_LINES = 20
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
        What else the record is to hold.
    """

    def __init__(
        self, job: str, output: str, config: EncoderConfig, fingerprint: str, settings: dict[str, Any]
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._clock = time.perf_counter()
        self._config = config
        self._source = Observation()
        self._result = Observation()
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

    def count_in(self, df: DataFrame, text_column: str) -> DataFrame:
        """Return `df` with its records counted as they are read, and those that look wrongly parsed or decoded."""
        text = F.col(f"`{text_column}`").cast("string")
        exprs = {
            "rows_in": F.count(F.lit(1)),
            "rows_many_lines": _count(F.length(text) - F.length(F.replace(text, F.lit("\n"))) >= MANY_LINES),
            "rows_undecodable": _count(F.contains(text, F.lit("\ufffd"))),
        }
        return df.observe(self._source, *(expr.alias(name) for name, expr in exprs.items()))

    def count_out(
        self, df: DataFrame, error_column: str, diagnostics: Mapping[str, str], labels: Sequence[Any] = ()
    ) -> DataFrame:
        """Return `df` with its rows counted by what became of them.

        Parameters
        ----------
        df
            The result.
        error_column
            Its column of reasons.
        diagnostics
            Diagnostic -> its column; empty where BERT does not run.
        labels
            Labels to count in the column "label".
        """
        error = F.col(f"`{error_column}`")
        exprs = {
            "rows_out": F.count(F.lit(1)),
            "rows_missing": _count(error == MISSING_TEXT),
            "rows_malformed": _count(error == MALFORMED_ROW),
            "rows_failed": _count(error.isNotNull() & ~error.isin(MISSING_TEXT, MALFORMED_ROW)),
            **(self._token_counts(diagnostics) if diagnostics else {}),
            **{f"label={label}": _count(F.col("label") == label) for label in labels},
        }
        return df.observe(self._result, *(expr.alias(name) for name, expr in exprs.items()))

    def _token_counts(self, diagnostics: Mapping[str, str]) -> dict[str, Column]:
        column = {name: F.col(given) for name, given in diagnostics.items()}
        read = F.least(column["token_count"], F.lit(self._config.max_length))
        return {
            "rows_truncated": _count(column["truncated"]),
            "texts_reused": _count(column["reused"]),
            "tokens_read": F.coalesce(F.sum(read), F.lit(0)),
            "unknown_token_share": F.coalesce(F.sum(column["unknown_share"] * read) / F.sum(read), F.lit(0.0)),
        }

    def finish(self) -> dict[str, Any]:
        """Take the counts and the time, after the one action of the run.

        Raises
        ------
        DataError
            When rows came out that did not go in, or the other way round.
        """
        counts = {**self._source.get, **self._result.get}
        labels = {name[6:]: counts.pop(name) for name in list(counts) if name.startswith("label=")}
        seconds = time.perf_counter() - self._clock
        self.content |= counts | ({"labels": labels} if labels else {})
        self.content["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.content["seconds"] = round(seconds, 1)
        self.content["rows_per_second"] = round(counts["rows_out"] / seconds, 1)
        if counts["rows_in"] != counts["rows_out"]:
            raise DataError(
                f"{counts['rows_in']} records went in and {counts['rows_out']} rows came out; don't use the output"
            )
        return self.content

    def save(self, spark: SparkSession, kind: str) -> str:
        """Write the record beside the output, or into the table's properties; return where it lies."""
        text = json.dumps(self.content, indent=2, sort_keys=True)
        output, run_id = self.content["output"], self.content["run_id"]
        if kind == "table":
            line = _unredacted(json.dumps(self.content, sort_keys=True)).replace("\\", "\\\\").replace("'", "\\'")
            spark.sql(f"ALTER TABLE {output} SET TBLPROPERTIES ('bert_spark.{run_id}' = '{line}')")
            return f"property bert_spark.{run_id} of table {output}"
        return write_beside(spark, _locate(spark, output, kind), f"{FOLDER}/{run_id}.json", text)


def _unredacted(text: str) -> str:
    """Return the same JSON with one letter escaped in words at which Spark would hide a table property's value."""
    return _REDACTED.sub(lambda word: f"\\u{ord(word[0][0]):04x}{word[0][1:]}", text)


def _count(condition: Column) -> Column:
    return F.count_if(condition)


def _locate(spark: SparkSession, path: str, kind: str) -> str:
    """Return the path as Spark resolved it, with its scheme: a bare path may be on HDFS."""
    files = spark.read.format(kind).load(path).inputFiles()
    if not files or "://" in path:
        return path
    name = posixpath.basename(path.rstrip("/"))
    uri = files[0]
    return uri[: uri.rindex(f"/{name}/") + len(name) + 1] if f"/{name}/" in uri else uri.rsplit("/", 1)[0]


def write_beside(spark: SparkSession, path: str, name: str, text: str) -> str:
    """Write `text` to `name` in the folder that holds `path`: by this machine's file system, by fsspec, else by
    Spark.
    """
    parent = posixpath.dirname(path.rstrip("/"))
    target = f"{parent}/{name}"
    scheme = urlsplit(target).scheme
    try:
        if scheme in ("", "file"):
            local = Path("/" + unquote(target.removeprefix("file:")).lstrip("/")) if scheme else Path(target)
            local.parent.mkdir(parents=True, exist_ok=True)
            local.write_text(text, encoding="utf-8")
            return str(local)
        import fsspec

        with fsspec.open(target, "w", encoding="utf-8") as file:
            file.write(text)
    except (ImportError, ValueError):  # fsspec knows the scheme, but its package is not here; or doesn't know it
        spark.createDataFrame([(text,)], "value string").coalesce(1).write.mode("overwrite").text(target)
    return target


def show(spark: SparkSession, output: OutputConfig, leave_out: str = "embedding", rows: int = 5) -> None:
    """Print the first rows of what was written, without the vectors."""
    there = (
        spark.table(str(output.path))
        if output.format == "table"
        else spark.read.format(output.format).load(output.path)
    )
    there.drop(leave_out).show(rows)


def summary(record: dict[str, Any], place: str) -> str:
    """Return what a job prints at its end: counts, speed, and where things lie."""
    labels = ", ".join(f"{name} {count:,}" for name, count in record.get("labels", {}).items())
    failed = f"malformed {record['rows_malformed']:,}, failed {record['rows_failed']:,}"
    lines = [
        f"{record['job']}: {record['rows_out']:,} rows in {record['seconds']} s ({record['rows_per_second']} rows/s)",
        f"  missing text {record['rows_missing']:,}, {failed}",
    ]
    if "rows_truncated" in record:
        share = f"unknown tokens {record['unknown_token_share']:.2%}"
        lines.append(f"  truncated {record['rows_truncated']:,}, {share}, texts reused {record['texts_reused']:,}")
    if record["rows_many_lines"]:
        lines.append(f"  warning {record['rows_many_lines']:,} texts of over {MANY_LINES} lines: is a quote left open?")
    if record["rows_undecodable"]:
        lines.append(f"  warning {record['rows_undecodable']:,} texts hold U+FFFD: is --encoding right?")
    lines += [
        *([f"  labels  {labels}"] if labels else []),
        f"  encoder {record['encoder']['model']} {record['fingerprint'][:12]}",
        f"  output  {record['output']}",
        f"  record  {place}",
    ]
    return "\n".join(lines)
