"""Compare an input with the output that is kept in step with it: what happens to each id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.errors import DataError
from bert_spark.tables.schema import HIDDEN_PREFIX
from bert_spark.tables.sync_rows import FILE, ID, ROW, SIZE, TEXT

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


CHANGE = f"{HIDDEN_PREFIX}change"
ADDED, TEXT_CHANGED, COLUMNS_CHANGED, REMOVED, UNCHANGED = "added", "text", "columns", "removed", "unchanged"
ENCODED = (ADDED, TEXT_CHANGED)  # rows that the job computes
_NOW, _BEFORE = f"{HIDDEN_PREFIX}now", f"{HIDDEN_PREFIX}before"  # rows with an id, in the input and in the output


def compared(described_input: DataFrame, described_output: DataFrame) -> DataFrame:
    """Return one row for each id: its CHANGE, the FILE that holds it, and how often each side has it.

    Parameters
    ----------
    described_input, described_output
        As `sync_rows` describes them.
    """
    now, before = _by_id(described_input, _NOW, SIZE), _by_id(described_output, _BEFORE, FILE)
    own, stored = now.alias("now"), before.alias("before")
    joined = own.join(stored, F.col(f"now.{ID}") == F.col(f"before.{ID}"), "full_outer")
    change = (
        F.when(F.col(_BEFORE).isNull(), ADDED)
        .when(F.col(_NOW).isNull(), REMOVED)
        .when(F.col(f"now.{TEXT}") != F.col(f"before.{TEXT}"), TEXT_CHANGED)
        .when(F.col(f"now.{ROW}") != F.col(f"before.{ROW}"), COLUMNS_CHANGED)
        .otherwise(UNCHANGED)
    )
    identity = F.coalesce(f"now.{ID}", f"before.{ID}").alias(ID)
    return joined.select(identity, change.alias(CHANGE), FILE, SIZE, _NOW, _BEFORE)


def _by_id(described: DataFrame, count: str, further: str) -> DataFrame:
    firsts = [F.first(name).alias(name) for name in (TEXT, ROW, further)]
    return described.groupBy(ID).agg(F.count(F.lit(1)).alias(count), *firsts)


def change_counts() -> list[Column]:
    """Return the counts of `compared` rows as Spark expressions."""
    change, now, before, without_id = F.col(CHANGE), F.col(_NOW), F.col(_BEFORE), F.col(ID).isNull()
    counts = {
        **{kind: F.count_if(change == kind) for kind in (ADDED, TEXT_CHANGED, COLUMNS_CHANGED, REMOVED, UNCHANGED)},
        "text_size": F.sum(F.when(change.isin(*ENCODED), F.col(SIZE))),
        "rows_before": F.sum(before),
        "without_id": F.sum(F.when(without_id, now)),
        "doubled_ids": F.count_if((now > 1) & ~without_id),
        "output_without_id": F.sum(F.when(without_id, before)),
        "output_doubled_ids": F.count_if((before > 1) & ~without_id),
    }
    return [F.coalesce(count, F.lit(0)).alias(name) for name, count in counts.items()]


def check_ids(counts: Mapping[str, Any], id_column: str, source: str, output: str) -> None:
    """Raise DataError if an id is missing or on several rows, in the input or in the output.

    Parameters
    ----------
    counts
        As `change_counts` names them.
    id_column, source, output
        Named in the message.
    """
    for where, prefix, advice in (
        (f"input {source!r}", "", "correct the input, or set --id-column to a column that identifies its rows"),
        (
            f"output {output!r}",
            "output_",
            "write it once with --overwrite in place of --sync, or pass another --output",
        ),
    ):
        missing, doubled = counts[f"{prefix}without_id"], counts[f"{prefix}doubled_ids"]
        if missing or doubled:
            raise DataError(
                f"{where}: {missing:,} rows have no id in column {id_column!r}, and {doubled:,} ids are on more than "
                f"one row; nothing was changed; {advice}"
            )
