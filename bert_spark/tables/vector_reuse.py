"""Take the vectors of known texts from an earlier output of the same encoder. BERT runs for the other texts only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from bert_spark.errors import DataError, FingerprintError
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.references import find_columns
from bert_spark.tables.schema import (
    HIDDEN_PREFIX,
    check_text_column,
    exact_column,
    table_columns,
    text_value,
    usable_text,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_TEXT = f"{HIDDEN_PREFIX}own_text"  # the row's text
_OWN = f"{HIDDEN_PREFIX}own_column_"  # prefix of the row's columns of texts
_KNOWN_TEXT, _KNOWN_VECTOR = f"{HIDDEN_PREFIX}key", f"{HIDDEN_PREFIX}known"  # of the earlier output
_HASH, _KNOWN_HASH = f"{HIDDEN_PREFIX}own_hash", f"{HIDDEN_PREFIX}key_hash"  # of both texts


def check_reusable(
    earlier: DataFrame,
    where: str,
    text_column: str,
    embedding_column: str,
    fingerprint: str,
    properties: Mapping[str, str],
) -> None:
    """Check that an earlier output has both columns, and that this run's encoder made its vectors.

    Parameters
    ----------
    earlier, where
        The earlier output, and its name in error messages.
    text_column, embedding_column
        The columns that are read from it.
    fingerprint
        Of this run's encoder. The metadata of the embedding column must name it, or else the table's properties.
    properties
        Of the table; empty for a folder.

    Raises
    ------
    DataError
        If a column does not exist, or the text column is not a string column.
    FingerprintError
        If another encoder made the vectors, or the earlier output does not name one.
    """
    check_text_column(earlier, text_column)
    if embedding_column not in earlier.columns:
        columns = table_columns(earlier)
        raise DataError(f"reuse {where!r}: column {embedding_column!r} not found; the table has {columns}")
    stored = earlier.schema[embedding_column].metadata.get(FINGERPRINT_KEY) or properties.get(FINGERPRINT_KEY)
    if stored != fingerprint:
        owner = stored[:12] if stored else "an encoder that it does not name"
        raise FingerprintError(
            f"reuse {where!r} holds vectors of {owner}, this run makes {fingerprint[:12]}; leave out --reuse, or pass "
            "an earlier output of this encoder"
        )


def join_known_vectors(
    earlier: DataFrame, text_column: str, embedding_column: str, own_text_column: str | None = None
) -> Callable[[DataFrame, int], DataFrame]:
    """Return a function that joins known vectors to their texts: on a hash of the text, which Spark sorts faster.

    Of different texts with the same hash, which hardly occur, one may get its known vector; BERT runs for the others.

    The function takes rows and the number of tasks in which their result is to be: rows with the same text are in one
    task. No row with a vector is moved again: `repartition` would sort the vectors first, so that it always moves the
    same rows.

    The columns of the text become null in rows whose vector is known, so that BERT does not run for them.
    `merge_known_vectors` restores them.

    Parameters
    ----------
    earlier, text_column, embedding_column
        The earlier output and its columns.
    own_text_column
        Column of the texts in the rows, if it has another name there.
    """
    own_text_column = own_text_column or text_column
    text, vector = text_value(earlier, text_column), exact_column(embedding_column)
    known = earlier.where(vector.isNotNull()).select(text.alias(_KNOWN_TEXT), vector.alias(_KNOWN_VECTOR))
    known = known.withColumn(_KNOWN_HASH, F.xxhash64(_KNOWN_TEXT))

    def join(rows: DataFrame, tasks: int) -> DataFrame:
        names = {path[0] for path in find_columns(rows.schema, own_text_column)}
        with_text = rows.withColumn(_TEXT, usable_text(rows, own_text_column)).withColumn(_HASH, F.xxhash64(_TEXT))
        vectors = known.repartition(tasks, _KNOWN_HASH).dropDuplicates([_KNOWN_HASH])
        joined = with_text.repartition(tasks, _HASH).join(vectors, F.col(_HASH) == F.col(_KNOWN_HASH), "left")
        same_text = F.when(F.col(_TEXT) == F.col(_KNOWN_TEXT), F.col(_KNOWN_VECTOR))
        joined = joined.withColumn(_KNOWN_VECTOR, same_text).drop(_HASH, _TEXT, _KNOWN_HASH, _KNOWN_TEXT)
        joined = joined.withColumns({f"{_OWN}{name}": exact_column(name) for name in names})
        return joined.withColumns({n: F.when(F.col(_KNOWN_VECTOR).isNull(), exact_column(n)) for n in names})

    return join


def merge_known_vectors(
    add: Callable[[DataFrame], DataFrame], embedding_column: str, error_column: str, reused: str
) -> Callable[[DataFrame], DataFrame]:
    """Return a transformation that runs `add` and puts the known vectors and their texts into its result.

    Parameters
    ----------
    add
        A transformation of `with_embedding`, for rows of `join_known_vectors`.
    embedding_column, error_column
        The columns that `add` was created with.
    reused
        Column that tells whether a row's vector was taken from another row.
    """

    def merge(rows: DataFrame) -> DataFrame:
        embedded = add(rows)
        known = F.col(_KNOWN_VECTOR).isNotNull()
        vector = F.coalesce(F.col(_KNOWN_VECTOR), exact_column(embedding_column))
        metadata = embedded.schema[embedding_column].metadata
        own = {name.removeprefix(_OWN): name for name in embedded.columns if name.startswith(_OWN)}
        merged = {
            **{n: F.when(known, exact_column(o)).otherwise(exact_column(n)).alias(n) for n, o in own.items()},
            embedding_column: vector.alias(embedding_column, metadata=metadata),
            error_column: F.when(~known, exact_column(error_column)).alias(error_column),
            reused: (known | F.coalesce(reused, F.lit(False))).alias(reused),
        }
        names = [name for name in embedded.columns if name not in (*own.values(), _KNOWN_VECTOR)]
        return embedded.select(*(merged.get(name, exact_column(name)) for name in names))

    return merge
