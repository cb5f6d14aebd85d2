"""The vectorised UDFs: get the encoder or the artefact, encode or score, yield.

They close over settings only, never over weights.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.error_reasons import MISSING_TEXT
from bert_spark.encoding.threads import limit_threads
from bert_spark.spark.arrow_arrays import (
    absent_mask,
    matrix_to_list_array,
    null_diagnostics,
    reason_array,
    struct_array,
    usable_vectors,
)
from bert_spark.spark.udf_wrapping import wrap_as_udf
from bert_spark.spark.windowing import Window

if TYPE_CHECKING:
    from bert_spark.artefact.artefact import Artefact
    from bert_spark.encoding.encoder import BertEncoder, EncodedTexts


EMBEDDING_FIELDS = (
    "embedding array<float>, error string, token_count int, truncated boolean, unknown_share float, reused boolean"
)


def embedding_udf(config: EncoderConfig, fingerprint: str) -> Callable[..., Any]:
    """Return the UDF from a text to a struct of EMBEDDING_FIELDS.

    It is nondeterministic to Spark, so that a filter on its result does not run it a second time.

    Parameters
    ----------
    config, fingerprint
        Of the encoder. A worker whose model gives another fingerprint fails.
    """

    def embed(windows: Iterator[Window]) -> Iterator[pa.StructArray]:
        return embed_windows(windows, _worker_encoder(config, fingerprint))

    return wrap_as_udf(embed, EMBEDDING_FIELDS, config.window_rows)


def scoring_udf(
    path: str, digest: str, *, from_vectors: bool, vectors_too: bool, window_rows: int
) -> Callable[..., Any]:
    """Return the UDF from (text) or (text, embedding) to a struct.

    The struct has EMBEDDING_FIELDS, the index of the winning label ("winner") and every class's value ("scores").

    Parameters
    ----------
    path, digest
        Of the artefact. A worker loads it once and verifies it, from its path or from the files that the session sent.
    from_vectors
        Whether the UDF receives embeddings. BERT then does not run.
    vectors_too
        Whether the struct holds the embedding.
    window_rows
        Rows that are encoded together.
    """

    def score(windows: Iterator[Window]) -> Iterator[pa.StructArray]:
        from bert_spark.artefact.loading import cached_artefact
        from bert_spark.spark.artefact_shipping import artefact_folder_here

        loaded_before = cached_artefact.cache_info().misses
        artefact = cached_artefact(artefact_folder_here(path, digest), digest)
        if cached_artefact.cache_info().misses != loaded_before:
            _freeze_loaded_objects()
        return score_windows(artefact, windows, from_vectors=from_vectors, vectors_too=vectors_too)

    fields = f"{EMBEDDING_FIELDS}, winner int, scores array<double>"
    return wrap_as_udf(score, fields, window_rows, columns=1 + from_vectors)


def embed_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[pa.StructArray]:
    """Embed windows of texts. A missing text gets a null vector and its reason."""
    for texts, encoded in _encode_windows(windows, encoder):
        yield struct_array(_embedding_columns(encoded, texts))


def score_windows(
    artefact: Artefact, windows: Iterator[Window], *, from_vectors: bool, vectors_too: bool
) -> Iterator[pa.StructArray]:
    """Score windows with the vectors that they hold, or with vectors that BERT computes here.

    Rows without a vector get a null label. Parameters as in `scoring_udf`.
    """
    if artefact.uses_bert and not from_vectors:
        scored = _score_texts(artefact, windows)
    elif artefact.uses_bert:
        scored = _score_vectors(artefact, windows)
    else:
        scored = _score_without_bert(artefact, windows)
    for columns in scored:
        if not vectors_too:
            columns["embedding"] = _null_vectors(len(columns["embedding"]))
        yield struct_array(columns)


def _score_texts(artefact: Artefact, windows: Iterator[Window]) -> Iterator[dict[str, pa.Array]]:
    for texts, encoded in _encode_windows(windows, _worker_encoder(artefact.config, artefact.fingerprint)):
        with_vector = encoded.rows_with_vector
        columns = _score_columns(artefact, texts, _present_rows(texts)[with_vector], encoded.vectors[with_vector])
        yield _embedding_columns(encoded, texts) | columns


def _score_vectors(artefact: Artefact, windows: Iterator[Window]) -> Iterator[dict[str, pa.Array]]:
    for texts, vectors in windows:
        rows, matrix, reasons = usable_vectors(vectors, artefact.vector_width)
        columns = _score_columns(artefact, texts, rows, matrix)
        missing_texts = texts.is_null().to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(missing_texts):
            if artefact.needs_text or int(row) in reasons:
                reasons[int(row)] = MISSING_TEXT
        yield {
            "embedding": vectors,
            "error": reason_array(reasons, len(texts)),
            **null_diagnostics(len(texts)),
            **columns,
        }


def _score_without_bert(artefact: Artefact, windows: Iterator[Window]) -> Iterator[dict[str, pa.Array]]:
    for texts, *_ in windows:
        columns = _score_columns(artefact, texts, _present_rows(texts), None)
        yield {"embedding": _null_vectors(len(texts)), **_columns_without_bert(texts), **columns}


def _score_columns(
    artefact: Artefact, texts: pa.Array, rows: np.ndarray, matrix: np.ndarray | None
) -> dict[str, pa.Array]:
    """Return the winner and every class's value for a window.

    Parameters
    ----------
    artefact
        The artefact.
    texts
        Of all rows of the window.
    rows
        Numbers of the rows to score, shape (n,). All other rows get nulls.
    matrix
        Their vectors, float32, shape (n, width); None if the artefact does not use BERT.
    """
    needs_text = matrix is None or artefact.needs_text
    known = texts.take(pa.array(rows)).to_pylist() if needs_text else [""] * len(rows)
    decision = artefact.decision([text or "" for text in known], matrix)
    winner = np.zeros(len(texts), dtype=np.int32)
    winner[rows] = decision.argmax(axis=1) if len(rows) else 0
    return {
        "winner": pa.array(winner, mask=absent_mask(rows, len(texts))),
        "scores": matrix_to_list_array(decision.astype(np.float64), rows, len(texts)),
    }


def _worker_encoder(config: EncoderConfig, fingerprint: str) -> BertEncoder:
    """Return this worker's encoder, with as many threads as the task has CPUs. Its fingerprint must be this one."""
    from bert_spark.encoding.encoder_cache import get_encoder, model_loads

    limit_threads()
    before = model_loads()
    encoder = get_encoder(config, fingerprint=fingerprint)
    if model_loads() != before:
        _freeze_loaded_objects()
    return encoder


def _freeze_loaded_objects() -> None:
    """Take everything that is loaded out of garbage collection, which PySpark's worker runs after every task.

    Over the 420,000 objects of torch and transformers it takes 0.17 s.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _encode_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[tuple[pa.Array, EncodedTexts]]:
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


def _present_rows(column: pa.Array) -> np.ndarray:
    """Return the numbers of the rows that are not null."""
    return np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def _reason_column(texts: pa.Array, failed: dict[int, str]) -> pa.Array:
    """Return the reason of each row without a vector: the text is missing, or the encoder's reason, by row number."""
    missing = dict.fromkeys(np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist(), MISSING_TEXT)
    return reason_array(missing | failed, len(texts))


def _null_vectors(rows: int) -> pa.Array:
    return pa.nulls(rows, pa.list_(pa.float32()))


def _columns_without_bert(texts: pa.Array) -> dict[str, pa.Array]:
    """Return the reasons and the null diagnostics of rows that BERT did not encode."""
    return {"error": _reason_column(texts, {}), **null_diagnostics(len(texts))}


def _embedding_columns(encoded: EncodedTexts, texts: pa.Array) -> dict[str, pa.Array]:
    """Return the columns of EMBEDDING_FIELDS for a window.

    Parameters
    ----------
    encoded
        Of the texts that are not null.
    texts
        Of all rows of the window.
    """
    rows, present, with_vector = len(texts), _present_rows(texts), encoded.rows_with_vector
    matrix = encoded.vectors if len(with_vector) == len(present) else encoded.vectors[with_vector]
    columns = {
        "embedding": matrix_to_list_array(matrix, present[with_vector], rows),
        "error": _reason_column(texts, {int(present[i]): reason for i, reason in encoded.errors.items()}),
    }
    mask = absent_mask(present, rows)
    for name in ("token_count", "truncated", "unknown_share", "reused"):
        values = getattr(encoded, name)
        full = np.zeros(rows, dtype=values.dtype)
        full[present] = values
        columns[name] = pa.array(full, mask=mask)
    return columns
