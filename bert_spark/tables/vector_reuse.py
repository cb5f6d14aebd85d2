"""Take the vectors of texts that an earlier output of the same encoder holds, so that BERT runs for the rest alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.errors import DataError, FingerprintError
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.schema import HIDDEN_PREFIX, check_text_column, exact_column, usable_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_TEXT, _VECTOR, _KEY = f"{HIDDEN_PREFIX}own_text", f"{HIDDEN_PREFIX}known", f"{HIDDEN_PREFIX}key"


def check_reusable(
    earlier: DataFrame,
    where: str,
    text_column: str,
    embedding_column: str,
    fingerprint: str,
    properties: Mapping[str, str],
) -> None:
    """Raise when an earlier output lacks a column, or does not say that this very encoder made its vectors: its column
    says so, else the table's properties.
    """
    check_text_column(earlier, text_column)
    if embedding_column not in earlier.columns:
        raise DataError(f"reuse {where!r}: column {embedding_column!r} not found; the table has {earlier.columns}")
    found = earlier.schema[embedding_column].metadata.get(FINGERPRINT_KEY) or properties.get(FINGERPRINT_KEY)
    if found != fingerprint:
        theirs = found[:12] if found else "an encoder it does not name"
        raise FingerprintError(
            f"reuse {where!r} holds vectors of {theirs}, this run makes {fingerprint[:12]}; leave --reuse out"
        )


def join_known_vectors(earlier: DataFrame, text_column: str, embedding_column: str) -> Callable[[DataFrame], DataFrame]:
    """Return a function that puts known vectors beside their texts: a join on a hash of the text, and on the text.

    The text column is null where a vector is known, so that BERT does not run for it; `merged` puts it back.
    """
    text, vector = exact_column(text_column), exact_column(embedding_column)
    known = earlier.where(vector.isNotNull()).select(text.alias(_KEY), vector.alias(_VECTOR)).dropDuplicates([_KEY])

    def beside(rows: DataFrame) -> DataFrame:
        own = rows.withColumn(_TEXT, usable_text(rows, text_column))
        same = (F.xxhash64(_TEXT) == F.xxhash64(_KEY)) & (F.col(_TEXT) == F.col(_KEY))
        found = own.join(known, same, "left").drop(_KEY)
        return found.withColumn(text_column, F.when(F.col(_VECTOR).isNull(), text))

    return beside


def merge_known_vectors(
    add: Callable[[DataFrame], DataFrame], text_column: str, embedding_column: str, error_column: str, reused: str
) -> Callable[[DataFrame], DataFrame]:
    """Return `add`, a transformation of `with_embedding`, with known vectors, and their texts, put into its result.

    Parameters
    ----------
    reused
        Column that says whether a row's vector was another's.
    """

    def both(rows: DataFrame) -> DataFrame:
        done = add(rows)
        known = F.col(_VECTOR).isNotNull()
        vector = F.coalesce(F.col(_VECTOR), exact_column(embedding_column))
        metadata = done.schema[embedding_column].metadata
        columns = {
            text_column: F.coalesce(exact_column(text_column), F.when(known, F.col(_TEXT))).alias(text_column),
            embedding_column: vector.alias(embedding_column, metadata=metadata),
            error_column: F.when(~known, exact_column(error_column)).alias(error_column),
            reused: (known | F.coalesce(reused, F.lit(False))).alias(reused),
        }
        names = [name for name in done.columns if name not in (_TEXT, _VECTOR)]
        return done.select(*(columns.get(name, exact_column(name)) for name in names))

    return both
