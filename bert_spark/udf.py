"""The vectorised UDFs, thin sandwiches: get the encoder, encode, yield. They close over settings only, never over
weights.

One core function over Arrow arrays serves both wrappings: Spark's Arrow UDF (4.1 on), which builds the float lists
on the
matrix itself, and the pandas UDF, which makes a Python object a row.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F

from bert_spark.config import EncoderConfig
from bert_spark.gpu import broken_device_named, settle_threads
from bert_spark.text import MISSING_TEXT

if TYPE_CHECKING:
    from bert_spark.artefact import Artefact
    from bert_spark.encoder import BertEncoder, Encoded

EMBEDDING_FIELDS = (
    "embedding array<float>, error string, token_count int, truncated boolean, unknown_share float, reused boolean"
)
WINDOW_BYTES = 32 << 20  # text of one window at most, so that a window of huge texts takes bounded memory

Core = Callable[..., pa.StructArray]


def embedding_udf(config: EncoderConfig) -> Callable[..., Any]:
    """Return the UDF text -> struct of EMBEDDING_FIELDS.

    Nondeterministic to Spark, so that a filter on its result does not run it a second time.
    """

    def core(texts: pa.Array) -> pa.StructArray:
        return embed(texts, _encoder(config))

    return _as_udf(core, EMBEDDING_FIELDS, config.window_rows)


def scoring_udf(
    path: str, digest: str, *, from_vectors: bool, vectors_too: bool, window_rows: int
) -> Callable[..., Any]:
    """Return the UDF (text) or (text, embedding) -> struct of EMBEDDING_FIELDS, label index and every class's score.

    Parameters
    ----------
    path, digest
        Of the artefact; the worker loads it once and verifies it.
    from_vectors
        Whether the UDF is given the embeddings; then BERT does not run.
    vectors_too
        Whether the struct holds the embedding.
    window_rows
        Rows that are looked at together.
    """

    def core(texts: pa.Array, vectors: pa.Array | None = None) -> pa.StructArray:
        from bert_spark.artefact import cached_artefact

        return score(cached_artefact(path, digest), texts, vectors, vectors_too=vectors_too)

    return _as_udf(core, f"{EMBEDDING_FIELDS}, winner int, scores array<double>", window_rows, columns=1 + from_vectors)


def embed(texts: pa.Array, encoder: BertEncoder) -> pa.StructArray:
    """Embed one window of texts; a missing text gets a null vector and its reason."""
    encoded, present, errors = _encode(texts, encoder)
    return _struct(_embedding_columns(encoded, present, errors, len(texts)))


def score(artefact: Artefact, texts: pa.Array, vectors: pa.Array | None, *, vectors_too: bool) -> pa.StructArray:
    """Score one window of texts, with the vectors given or made here; rows without a vector get a null label."""
    if not artefact.uses_bert:
        rows = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
        matrix: np.ndarray | None = None
        errors = {int(row): MISSING_TEXT for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))}
        columns = {"embedding": pa.nulls(len(texts), pa.list_(pa.float32())), "error": _reasons(errors, len(texts))}
        columns |= _no_diagnostics(len(texts))
    elif vectors is None:
        encoded, present, errors = _encode(texts, _encoder(artefact.config))
        columns = _embedding_columns(encoded, present, errors, len(texts))
        good = _good(present, errors)
        rows, matrix = present[good], encoded.vectors[good]
    else:
        rows = np.flatnonzero(vectors.is_valid().to_numpy(zero_copy_only=False))
        matrix = matrix_of(vectors)
        errors = {int(row): MISSING_TEXT for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))}
        columns = {"embedding": vectors, "error": _reasons(errors, len(texts))} | _no_diagnostics(len(texts))
    known = texts.take(pa.array(rows)).to_pylist()
    decision = artefact.decision([text or "" for text in known], matrix)
    winner = np.zeros(len(texts), dtype=np.int32)
    winner[rows] = decision.argmax(axis=1) if len(rows) else 0
    columns["winner"] = pa.array(winner, mask=_absent(rows, len(texts)))
    columns["scores"] = _lists(decision.astype(np.float64), rows, len(texts))
    if not vectors_too:
        columns["embedding"] = pa.nulls(len(texts), pa.list_(pa.float32()))
    return _struct(columns)


def matrix_of(vectors: pa.Array) -> np.ndarray:
    """Return the non-null lists of an Arrow list array as float32, shape (n_valid, width), without a Python object
    a row.
    """
    width = len(vectors.flatten()) // max(1, len(vectors) - vectors.null_count)
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(-1, max(1, width))


def _encoder(config: EncoderConfig) -> BertEncoder:
    """Return this worker's encoder, with as many threads as the task has CPUs."""
    from bert_spark.cache import get_encoder, loads

    settle_threads()
    before = loads()
    encoder = get_encoder(config)
    if loads() != before:
        # PySpark's worker collects garbage after every task: 0.17 s over the 420,000 objects of torch and transformers
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    return encoder


def _encode(texts: pa.Array, encoder: BertEncoder) -> tuple[Encoded, np.ndarray, dict[int, str]]:
    """Embed the texts that are there: what came out, their row numbers, and the reason of each row without a vector."""
    present = np.flatnonzero(texts.is_valid().to_numpy(zero_copy_only=False))
    encoded = encoder.encode_rows(texts.drop_null().to_pylist())
    errors = {int(row): MISSING_TEXT for row in np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))}
    errors |= {int(present[i]): reason for i, reason in encoded.errors.items()}
    return encoded, present, errors


def _good(present: np.ndarray, errors: dict[int, str]) -> np.ndarray:
    """Return which of the texts that are there got a vector: numbers into `present`."""
    return np.flatnonzero(~np.isin(present, list(errors)))


def _embedding_columns(encoded: Encoded, present: np.ndarray, errors: dict[int, str], rows: int) -> dict[str, pa.Array]:
    good = _good(present, errors)
    matrix = encoded.vectors if len(good) == len(present) else encoded.vectors[good]
    columns = {
        "embedding": _lists(matrix, present[good], rows),
        "error": _reasons(errors, rows),
    }
    absent = _absent(present, rows)
    for name in ("token_count", "truncated", "unknown_share", "reused"):
        values = getattr(encoded, name)
        full = np.zeros(rows, dtype=values.dtype)
        full[present] = values
        columns[name] = pa.array(full, mask=absent)
    return columns


def _absent(present: np.ndarray, rows: int) -> np.ndarray:
    absent = np.ones(rows, dtype=bool)
    absent[present] = False
    return absent


def _lists(matrix: np.ndarray, present: np.ndarray, rows: int) -> pa.Array:
    """Return a list array of `rows` rows over the matrix (no copy): row present[i] holds matrix[i], the others are
    null.
    """
    lengths = np.zeros(rows, dtype=np.int64)
    lengths[present] = matrix.shape[1]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(matrix.reshape(-1)), mask=pa.array(_absent(present, rows))
    )


def _reasons(errors: dict[int, str], rows: int) -> pa.Array:
    return pa.array([errors.get(row) for row in range(rows)], pa.string()) if errors else pa.nulls(rows, pa.string())


def _no_diagnostics(rows: int) -> dict[str, pa.Array]:
    kinds = {"token_count": pa.int32(), "truncated": pa.bool_(), "unknown_share": pa.float32(), "reused": pa.bool_()}
    return {name: pa.nulls(rows, kind) for name, kind in kinds.items()}


def _struct(columns: dict[str, pa.Array]) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def windows(batches: Iterable[tuple[pa.Array, ...]], rows: int) -> Iterator[list[tuple[pa.Array, ...]]]:
    """Group Arrow batches into windows of about `rows` rows and WINDOW_BYTES of text; no row is lost or moved."""
    window: list[tuple[pa.Array, ...]] = []
    held = size = 0
    for batch in _slices(batches):
        if window and (held + len(batch[0]) > rows or size + batch[0].nbytes > WINDOW_BYTES):
            yield window
            window, held, size = [], 0, 0
        window.append(batch)
        held += len(batch[0])
        size += batch[0].nbytes
    if window:
        yield window


def _slices(batches: Iterable[tuple[pa.Array, ...]]) -> Iterator[tuple[pa.Array, ...]]:
    """Cut batches of more than WINDOW_BYTES of text: Spark 3.5 bounds a batch by its rows only. Never copies."""
    for batch in batches:
        rows = len(batch[0])
        step = max(1, rows // (batch[0].nbytes // WINDOW_BYTES + 1))
        yield from (tuple(part.slice(start, step) for part in batch) for start in range(0, max(rows, 1), step))


def _as_udf(core: Core, fields: str, rows: int, columns: int = 1) -> Callable[..., Any]:
    """Wrap a core function over whole windows as an Arrow UDF where Spark has it, else as a pandas UDF."""

    def run(batches: Iterable[tuple[pa.Array, ...]]) -> Iterator[pa.StructArray]:
        for window in windows(batches, rows):
            with broken_device_named():
                struct = core(*(pa.concat_arrays(list(parts)) for parts in zip(*window, strict=True)))
            yield struct

    def arrow_one(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        yield from run((batch,) for batch in batches)

    def arrow_two(batches: Iterator[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Array]:
        yield from run(batches)

    def pandas_one(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for struct in run((_text_array(batch),) for batch in batches):
            yield _frame(struct)

    def pandas_two(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        pairs = (
            (_text_array(texts), pa.Array.from_pandas(vectors, pa.list_(pa.float32()))) for texts, vectors in batches
        )
        for struct in run(pairs):
            yield _frame(struct)

    if hasattr(F, "arrow_udf"):
        return F.arrow_udf(arrow_one if columns == 1 else arrow_two, fields).asNondeterministic()  # type: ignore[no-any-return]
    from pyspark.sql.pandas.functions import pandas_udf

    wrapped = pandas_udf(pandas_one if columns == 1 else pandas_two, fields)  # type: ignore[call-overload]
    return wrapped.asNondeterministic()  # type: ignore[no-any-return]


def _text_array(texts: pd.Series) -> pa.Array:
    # pandas 2 gives None for null, pandas 3 NaN: isna is true of both
    return pa.array([None if missing else text for text, missing in zip(texts, texts.isna(), strict=True)], pa.string())


def _frame(struct: pa.StructArray) -> pd.DataFrame:
    """Return a struct array as a frame; each list of numbers becomes one numpy array."""
    return pd.DataFrame({field.name: struct.field(field.name).to_pandas() for field in struct.type})
