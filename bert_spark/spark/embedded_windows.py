"""Windows of rows with their embeddings: texts go to the encoder, vectors and reasons come back as Arrow columns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bert_spark.encoding.error_reasons import MISSING_TEXT
from bert_spark.spark.arrow_arrays import (
    absent_mask,
    matrix_to_list_array,
    null_diagnostics,
    reason_array,
    struct_array,
)

if TYPE_CHECKING:
    from bert_spark.encoding.encoder import BertEncoder, EncodedTexts
    from bert_spark.spark.windowing import Window


EMBEDDING_FIELDS = (
    "embedding array<float>, error string, token_count int, truncated boolean, unknown_share float, reused boolean"
)


def embed_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[pa.StructArray]:
    """Embed windows of texts. A missing text gets a null vector and its reason."""
    for texts, encoded in encode_windows(windows, encoder):
        yield struct_array(embedding_columns(encoded, texts))


def encode_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[tuple[pa.Array, EncodedTexts]]:
    """Yield each window's texts with the encoding of those that are not null.

    The encoder reads windows ahead, so that the columns of those it has not returned yet wait in a queue.
    """
    waiting: deque[pa.Array] = deque()

    def present_texts() -> Iterator[list[str]]:
        for column, *_ in windows:
            for start in range(0, len(column), encoder.window_rows):
                waiting.append(column.slice(start, encoder.window_rows))
                yield waiting[-1].drop_null().to_pylist()

    for encoded in encoder.encode_windows(present_texts()):
        yield waiting.popleft(), encoded


def embedding_columns(encoded: EncodedTexts, texts: pa.Array) -> dict[str, pa.Array]:
    """Return the columns of EMBEDDING_FIELDS for a window.

    Parameters
    ----------
    encoded
        Of the texts that are not null.
    texts
        Of all rows of the window.
    """
    rows, present, with_vector = len(texts), present_rows(texts), encoded.rows_with_vector
    matrix = encoded.vectors if len(with_vector) == len(present) else encoded.vectors[with_vector]
    columns = {
        "embedding": matrix_to_list_array(matrix, present[with_vector], rows),
        "error": reason_column(texts, {int(present[i]): reason for i, reason in encoded.errors.items()}),
    }
    mask = absent_mask(present, rows)
    for name in ("token_count", "truncated", "unknown_share", "reused"):
        values = getattr(encoded, name)
        full = np.zeros(rows, dtype=values.dtype)
        full[present] = values
        columns[name] = pa.array(full, mask=mask)
    return columns


def columns_without_bert(texts: pa.Array) -> dict[str, pa.Array]:
    """Return the reasons and the null diagnostics of rows that BERT did not encode."""
    return {"error": reason_column(texts, {}), **null_diagnostics(len(texts))}


def reason_column(texts: pa.Array, failed: dict[int, str]) -> pa.Array:
    """Return the reason of each row without a vector: the text is missing, or the encoder's reason, by row number."""
    missing = dict.fromkeys(np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist(), MISSING_TEXT)
    return reason_array(missing | failed, len(texts))


def present_rows(column: pa.Array) -> np.ndarray:
    """Return the numbers of the rows that are not null."""
    return np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def null_vectors(rows: int) -> pa.Array:
    """Return a column of nulls in place of vectors."""
    return pa.nulls(rows, pa.list_(pa.float32()))
