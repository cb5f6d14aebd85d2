"""Choose exactly so many rows to learn from, the same ones on every run, through Spark and from Arrow alike.

They are the first ones in the order of the SHA-256 of their text, and of their label where texts are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.spark.arrow_arrays import column_values
from bert_spark.tables.schema import HIDDEN_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

_HASH, _LABEL = f"{HIDDEN_PREFIX}hash", f"{HIDDEN_PREFIX}label"
LAST = f"{HIDDEN_PREFIX}last"  # column: whether a row has the sample's last key
_Key = tuple[str, str]  # hash of the text, and the label as a text


@dataclass(frozen=True)
class Sample:
    """The rows of a sample, by their keys.

    Attributes
    ----------
    last
        The last key in it.
    rows_with_last
        How many rows with that key are in it. They are equal: same text, same label.
    """

    last: _Key
    rows_with_last: int

    @classmethod
    def of(cls, keys: Sequence[_Key]) -> Sample:
        """Return the sample that consists of the rows with these keys."""
        last = max(keys)
        return cls(last, keys.count(last))

    def in_spark(self, text: Column, label: Column) -> tuple[Column, Column]:
        """Return whether a row's key is at most the last one, and whether it is the last one."""
        key, last = F.struct(*_key_columns(text, label)), F.struct(*map(F.lit, self.last))
        return key <= last, (key == last).alias(LAST)

    def in_arrow(self, rows: Any) -> Any:
        """Return Arrow rows with "text" and "label" whose key is at most the last one, with the column LAST."""
        import pyarrow as pa

        keys = arrow_keys(rows)
        kept = rows.filter(pa.array([key <= self.last for key in keys], pa.bool_()))
        is_last = pa.array([key == self.last for key in keys if key <= self.last], pa.bool_())
        return kept.append_column(LAST, is_last)

    def without_surplus(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield batches without LAST, and without the rows with the last key that are too many."""
        import pyarrow as pa

        left = self.rows_with_last
        for batch in batches:
            keep = []
            for is_last in batch[LAST].to_pylist():
                keep.append(not is_last or left > 0)
                left -= is_last
            yield batch.filter(pa.array(keep, pa.bool_())).drop_columns([LAST])


def arrow_keys(rows: Any) -> list[_Key]:
    """Return the key of each Arrow row with "text" and "label"."""
    texts, labels = column_values(rows["text"]), column_values(rows["label"])
    return [
        (hashlib.sha256((text or "").encode()).hexdigest(), str(label))
        for text, label in zip(texts, labels, strict=True)
    ]


def first_in_spark(rows: DataFrame, text: Column, label: Column, size: int) -> DataFrame:
    """Return the rows with the first `size` keys as columns "text", "label" and the two parts of the key."""
    hashed, name = _key_columns(text, label)
    pairs = rows.select(text.alias("text"), label.alias("label"), hashed.alias(_HASH), name.alias(_LABEL))
    return pairs.orderBy(_HASH, _LABEL).limit(size)


def split_keys(pairs: pa.Table) -> tuple[pa.Table, Sample]:
    """Return the collected rows of `first_in_spark` without their keys, and the sample that they are."""
    keys = list(zip(pairs[_HASH].to_pylist(), pairs[_LABEL].to_pylist(), strict=True))
    return pairs.drop_columns([_HASH, _LABEL]), Sample.of(keys)


def first_in_arrow(rows: pa.Table, size: int) -> tuple[pa.Table, Sample]:
    """Return the rows with the first `size` keys, and the sample that they are."""
    keys = arrow_keys(rows)
    order = sorted(range(len(keys)), key=keys.__getitem__)[:size]
    return rows.take(sorted(order)), Sample.of([keys[row] for row in order])


def _key_columns(text: Column, label: Column) -> tuple[Column, Column]:
    return F.sha2(text, 256), label.cast("string")
