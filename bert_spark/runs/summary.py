"""Summarise a run at its end and compare it with earlier runs. Only `show_output` prints text of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bert_spark.runs.new_files import file_names
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.input_warnings import input_warnings
from bert_spark.tables.outputs import read_output
from bert_spark.tables.provenance import ENCODER_KEY
from bert_spark.training.text_summaries import comparison_lines

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


COMPARED_RUNS = 7  # how many earlier runs the labels are compared with


def show_output(spark: SparkSession, output: OutputConfig, rows: int = 5) -> None:
    """Print the first rows of an output without its vectors."""
    written = read_output(spark, output)
    written.drop(*(field.name for field in written.schema.fields if ENCODER_KEY in field.metadata)).show(rows)


def run_summary(record: Mapping[str, Any], record_path: str, earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return what a job prints at its end: counts, speed, warnings, labels next to those of earlier runs, and paths.

    Parameters
    ----------
    record
        The run's record.
    record_path
        Address of the record.
    earlier
        Records of earlier published runs, newest first.
    """
    day = f" {record['partition']}" if "partition" in record else ""
    failed = f"malformed {record['rows_malformed']:,}, failed {record['rows_failed']:,}"
    speed = f"{record['seconds']} s ({record['rows_per_second']} rows/s)"
    lines = [
        f"{record['job']}:{day} {record['rows_out']:,} rows in {speed}",
        f"  missing text {record['rows_missing']:,}, {failed}",
    ]
    if "rows_removed" in record:
        names = ("added", "changed", "removed", "unchanged", "encoded")
        lines.append("  rows " + ", ".join(f"{name} {record[f'rows_{name}']:,}" for name in names))
    if "rows_truncated" in record:
        share = f"unknown tokens {record['unknown_token_share']:.2%}"
        lines.append(f"  truncated {record['rows_truncated']:,}, {share}, texts reused {record['texts_reused']:,}")
    if "time_zone" in record:
        lines.append(f"  days counted in {record['time_zone']}")
    lines += [f"  warning {warning}" for warning in run_warnings(record)]
    lines += _label_lines(record, earlier[:COMPARED_RUNS])
    for name in record.get("by_artefact", {}):
        of_artefact = [other.get("by_artefact", {}).get(name, {}) for other in (record, *earlier[:COMPARED_RUNS])]
        lines += _label_lines(of_artefact[0], of_artefact[1:], f"{name}: ")
    if "truth" in record:
        lines += [f"  {line}" for text in comparison_lines(record["truth"]) for line in text.splitlines()]
    lines += [
        f"  encoder {record['encoder']['model']} {record['fingerprint'][:12]}",
        f"  output  {record['output']}",
        f"  record  {record_path}",
    ]
    return "\n".join(lines)


def run_warnings(record: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the record should check."""
    warnings = input_warnings(record)
    if record.get("rows_without_date"):
        warnings.append(f"{record['rows_without_date']:,} records of the input hold no date: they are in no partition")
    if record.get("path_per_day") and record.get("rows_of_other_days"):
        warnings.append(
            f"{record['rows_of_other_days']:,} records of this day's files have the date of another day in time zone "
            f"{record['time_zone']}: they are in no partition; is --time-zone right?"
        )
    if record.get("columns_dropped"):
        warnings.append(
            f"files that arrived while the run started: {'; '.join(record['columns_dropped'])}: not in the rows"
        )
    if record.get("files_held"):
        warnings.append(
            f"{len(record['files_held'])} files changed while they were read{file_names(record['files_held'])}: no row "
            "of them is published, and the next run reads them again"
        )
    if record.get("files_skipped"):
        skipped = record["files_skipped"]
        warnings.append(f"{len(skipped)} files are left out permanently{file_names(skipped)}: outside the limits")
    if not record["rows_out"] and "partition" in record and "files_held" not in record:
        warnings.append(f"{record['partition']} is empty; it replaced {record.get('rows_replaced', 0):,} rows")
    return warnings


def _label_lines(record: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]], name: str = "") -> list[str]:
    """Return the lines of the labels in a record, or in its part of one artefact, which begins with its name."""
    labels = record.get("labels", {})
    if not labels:
        return []
    lines = [f"  labels  {name}" + ", ".join(f"{name} {count:,}" for name, count in labels.items())]
    if record.get("label_shift") is not None:
        lines[0] += f"; distance to the labels of the training rows {record['label_shift']:.3f}"
    earlier_labels = [other["labels"] for other in earlier if other.get("labels")]
    earlier_rows = sum(sum(counts.values()) for counts in earlier_labels)
    rows = sum(labels.values())
    if earlier_rows and rows:
        shares = ", ".join(
            f"{name} {count / rows:.1%} / {sum(counts.get(name, 0) for counts in earlier_labels) / earlier_rows:.1%}"
            for name, count in labels.items()
        )
        lines.append(f"  now / last {len(earlier_labels)} runs  {name}{shares}")
    return lines
