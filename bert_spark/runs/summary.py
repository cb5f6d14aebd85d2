"""What a run says at its end, and a table of the runs before it. No text of the data in any of it but in `show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import read_output
from bert_spark.tables.provenance import ENCODER_KEY
from bert_spark.tables.row_counts import MANY_LINES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


COMPARED_RUNS = 7  # runs that the labels of a new one are put beside


def show_output(spark: SparkSession, output: OutputConfig, rows: int = 5) -> None:
    """Print the first rows of what was written, without the vectors."""
    there = read_output(spark, output)
    there.drop(*(field.name for field in there.schema.fields if ENCODER_KEY in field.metadata)).show(rows)


def run_summary(record: Mapping[str, Any], place: str, before: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return what a job prints at its end: counts, speed, labels beside those of the runs before, where things lie.

    Parameters
    ----------
    record
        The run's record.
    place
        Where it lies.
    before
        Records of earlier published runs, newest first.
    """
    day = f" {record['partition']}" if "partition" in record else ""
    failed = f"malformed {record['rows_malformed']:,}, failed {record['rows_failed']:,}"
    speed = f"{record['seconds']} s ({record['rows_per_second']} rows/s)"
    lines = [
        f"{record['job']}:{day} {record['rows_out']:,} rows in {speed}",
        f"  missing text {record['rows_missing']:,}, {failed}",
    ]
    if "rows_truncated" in record:
        share = f"unknown tokens {record['unknown_token_share']:.2%}"
        lines.append(f"  truncated {record['rows_truncated']:,}, {share}, texts reused {record['texts_reused']:,}")
    lines += [f"  warning {warning}" for warning in run_warnings(record)]
    lines += _label_lines(record, before[:COMPARED_RUNS])
    lines += [
        f"  encoder {record['encoder']['model']} {record['fingerprint'][:12]}",
        f"  output  {record['output']}",
        f"  record  {place}",
    ]
    return "\n".join(lines)


def run_warnings(record: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the record should look at."""
    found = []
    if record["rows_many_lines"]:
        found.append(
            f"{record['rows_many_lines']:,} records with {MANY_LINES} line ends or more: is a quote left open?"
        )
    if record["rows_undecodable"]:
        found.append(f"{record['rows_undecodable']:,} texts hold U+FFFD: is --encoding right?")
    if record.get("rows_without_date"):
        found.append(
            f"{record['rows_without_date']:,} records of the input hold no date: they are in no day's partition"
        )
    if record.get("columns_dropped"):
        found.append(f"files that came in while the run began: {'; '.join(record['columns_dropped'])}: not in the rows")
    if not record["rows_out"] and "partition" in record:
        found.append(f"{record['partition']} is empty; it replaced {record.get('rows_replaced', 0):,} rows")
    return found


def _label_lines(record: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> list[str]:
    labels = record.get("labels", {})
    if not labels:
        return []
    lines = ["  labels  " + ", ".join(f"{name} {count:,}" for name, count in labels.items())]
    if record.get("label_shift") is not None:
        lines[0] += f"; distance to the training rows' {record['label_shift']:.3f}"
    earlier = [other["labels"] for other in before if other.get("labels")]
    total = sum(sum(other.values()) for other in earlier)
    rows = sum(labels.values())
    if total and rows:
        shares = {name: (n / rows, sum(other.get(name, 0) for other in earlier) / total) for name, n in labels.items()}
        told = ", ".join(f"{name} {now:.1%} / {then:.1%}" for name, (now, then) in shares.items())
        lines.append(f"  now / last {len(earlier)} runs  {told}")
    return lines
