"""Write what was found in an input as text, with the commands of the jobs that read it in the same way."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bert_spark.runs.inspection import MOST_CLASSES, Inspection, look_at
from bert_spark.settings import as_options
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import delimiter
from bert_spark.tables.input_format import input_format
from bert_spark.tables.profile import ColumnProfile

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.settings import JobSettings


_SHOWN_LABELS = 30
_CHECKOUT = Path(__file__).resolve().parents[2]


def inspect_input(spark: SparkSession, job: JobSettings) -> str:
    """Return what jobs/inspect.py prints. It names columns and labels, and quotes texts only if examples are asked for.

    Raises
    ------
    BertSparkError
        As `look_at` raises.
    """
    found = look_at(spark, job)
    lines = [
        f"inspect: {found.source.path}",
        f"  {_layout(found.source)}",
        f"  {found.rows:,} records, {found.malformed:,} malformed",
        *(f"  warning {warning}" for warning in found.warnings),
        *(f"  {line}" for line in found.vectors),
        "",
        *_column_lines(found.columns, found.rows),
        "",
        *_text_lines(found),
        *_label_lines(found),
        *_example_lines(found.examples),
        "",
        "  to embed it, and to train on it:",
        *(f"    {command}" for command in _commands(found, job)),
    ]
    return "\n".join(lines)


def _layout(source: InputConfig) -> str:
    kind = input_format(source)
    if kind != "csv":
        return f"format {kind}" + (f", encoding {source.encoding}" if kind in ("json", "text") else "")
    shown = delimiter(source).replace("\t", "\\t")
    header = "with a header" if source.has_header else "without a header"
    quotes = f"quote {source.quote!r}" if source.quote else "quotes are part of the texts"
    escape = f", escape {source.escape!r}" if source.escape else ""
    return f"format csv, encoding {source.encoding}, delimiter {shown!r}, {header}, {quotes}{escape}"


def _column_lines(columns: Sequence[ColumnProfile], rows: int) -> list[str]:
    """Return a table with one line a column. Long types, as of nested columns, are cut."""
    width = max(6, *(len(column.name) for column in columns))
    lines = [f"  {'column':{width}}  {'type':20}{'null':>8}{'empty':>8}{'different':>18}"]
    for column in columns:
        kind = column.kind if len(column.kind) < 20 else f"{column.kind[:16]}..."
        different = "" if column.different is None else f"about {column.different:,}"
        empty = f"{column.empty / rows:.2%}" if column.kind == "string" else ""
        lines.append(f"  {column.name:{width}}  {kind:20}{column.nulls / rows:>8.2%}{empty:>8}{different:>18}")
    return lines


def _text_lines(found: Inspection) -> list[str]:
    guess = " (a guess: it has the longest strings)" if "text" in found.guessed else ""
    tokens = found.tokens
    return [
        f"  texts in {found.source.text_column!r}{guess}",
        f"    of {tokens.texts:,} texts {tokens.truncated:.2%} are longer than {tokens.max_length} tokens; "
        f"unknown tokens {tokens.unknown:.2%}",
    ]


def _label_lines(found: Inspection) -> list[str]:
    if found.label is None:
        return ["  labels: none found; set --label-column to count them"]
    guess = " (a guess)" if "label" in found.guessed else ""
    counts = list(found.labels.items())
    number = f"{len(counts)} classes" if len(counts) <= MOST_CLASSES else f"more than {MOST_CLASSES} different values"
    shown = ", ".join(f"{label} {rows:,}" for label, rows in counts[:_SHOWN_LABELS])
    return [
        f"  labels in {found.label!r}{guess}: {number}, {found.without_label:,} rows without one",
        *([f"    {shown}{', ...' if len(counts) > _SHOWN_LABELS else ''}"] if len(counts) <= MOST_CLASSES else []),
    ]


def _example_lines(examples: Mapping[str, Sequence[str]]) -> list[str]:
    if not examples:
        return []
    width = max(len(name) for name in examples)
    return ["", *(f"  {name:{width}}  {', '.join(map(repr, values))}" for name, values in examples.items())]


def _commands(found: Inspection, job: JobSettings) -> list[str]:
    """Return the commands of jobs/embed.py and jobs/train.py that read the input as it was read here."""
    source = as_options(found.source)
    if "--text-column" not in source:
        source += ["--text-column", found.source.text_column]
    encoder = as_options(job.encoder)
    label = ["--label-column", found.label or "LABEL_COLUMN"]
    if found.vectors:
        return [_command("train", [*source, *label, "--output", "artefact"])]
    return [
        _command("embed", [*source, *encoder, "--output", "embeddings"]),
        _command("train", [*source, *label, *encoder, "--output", "artefact"]),
    ]


def _command(job: str, options: Sequence[str]) -> str:
    is_checkout = (_CHECKOUT / "spark-submit.sh").exists()
    start = ["./spark-submit.sh", f"jobs/{job}.py"] if is_checkout else [f"bert-spark-{job}"]
    return shlex.join([*start, *options])
