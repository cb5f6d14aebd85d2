"""The vectorised UDFs, thin sandwiches: get the encoder, encode, yield. They close over settings only, never over
weights.

One core function over Arrow arrays serves both wrappings: Spark's Arrow UDF (4.1 on), which builds the float lists on
the matrix itself, and the pandas UDF, which makes a Python object a row.
"""

from __future__ import annotations

import gc
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.cuda_errors import fatal_as_device_error
from bert_spark.encoding.error_reasons import MISSING_TEXT
from bert_spark.encoding.threads import limit_threads
from bert_spark.spark.arrow_arrays import (
    absent_mask,
    list_array_to_matrix,
    matrix_to_list_array,
    null_diagnostics,
    reason_array,
    struct_array,
)
from bert_spark.spark.windowing import Window, group_into_windows

if TYPE_CHECKING:
    from bert_spark.artefact.artefact import Artefact
    from bert_spark.encoding.encoder import BertEncoder, Encoded


EMBEDDING_FIELDS = (
    "embedding array<float>, error string, token_count int, truncated boolean, unknown_share float, reused boolean"
)
Core = Callable[[Iterator[Window]], Iterator[pa.StructArray]]


def embedding_udf(config: EncoderConfig) -> Callable[..., Any]:
    """Return the UDF text -> struct of EMBEDDING_FIELDS.

    Nondeterministic to Spark, so that a filter on its result does not run it a second time.
    """

    def core(windows: Iterator[Window]) -> Iterator[pa.StructArray]:
        return embed_windows(windows, _worker_encoder(config))

    return _as_udf(core, EMBEDDING_FIELDS, config.window_rows)


def scoring_udf(
    path: str, digest: str, *, from_vectors: bool, vectors_too: bool, window_rows: int
) -> Callable[..., Any]:
    """Return the UDF (text) or (text, embedding) -> struct of EMBEDDING_FIELDS, label index and every class's score.

    Parameters
    ----------
    path, digest
        Of the artefact; the worker loads it once and verifies it, from there or from what the session was sent.
    from_vectors
        Whether the UDF is given the embeddings; then BERT does not run.
    vectors_too
        Whether the struct holds the embedding.
    window_rows
        Rows that are looked at together.
    """

    def core(windows: Iterator[Window]) -> Iterator[pa.StructArray]:
        from bert_spark.artefact.loading import cached_artefact
        from bert_spark.spark.artefact_shipping import artefact_folder_here

        return score_windows(
            cached_artefact(artefact_folder_here(path, digest), digest),
            windows,
            from_vectors=from_vectors,
            vectors_too=vectors_too,
        )

    return _as_udf(core, f"{EMBEDDING_FIELDS}, winner int, scores array<double>", window_rows, columns=1 + from_vectors)


def embed_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[pa.StructArray]:
    """Embed windows of texts; a missing text gets a null vector and its reason."""
    for texts, encoded in _encode_windows(windows, encoder):
        yield struct_array(_embedding_columns(encoded, texts))


def score_windows(
    artefact: Artefact, windows: Iterator[Window], *, from_vectors: bool, vectors_too: bool
) -> Iterator[pa.StructArray]:
    """Score windows, with the vectors given or made here; rows without a vector get a null label."""
    if artefact.uses_bert and not from_vectors:
        for texts, encoded in _encode_windows(windows, _worker_encoder(artefact.config)):
            columns = _embedding_columns(encoded, texts)
            present, good = _present_rows(texts), encoded.good
            yield _score_columns(
                artefact, texts, present[good], encoded.vectors[good], columns, vectors_too=vectors_too
            )
        return
    for texts, *given in windows:
        vectors = given[0] if artefact.uses_bert else pa.nulls(len(texts), pa.list_(pa.float32()))
        rows = _present_rows(given[0] if artefact.uses_bert else texts)
        columns = {"embedding": vectors, "error": _error_column(texts, {})} | null_diagnostics(len(texts))
        matrix = list_array_to_matrix(vectors) if artefact.uses_bert else None
        yield _score_columns(artefact, texts, rows, matrix, columns, vectors_too=vectors_too)


def _score_columns(
    artefact: Artefact,
    texts: pa.Array,
    rows: np.ndarray,
    matrix: np.ndarray | None,
    columns: dict[str, pa.Array],
    *,
    vectors_too: bool,
) -> pa.StructArray:
    """Return a window's columns with the winner and every class's score of `rows`, whose vectors are `matrix`."""
    known = texts.take(pa.array(rows)).to_pylist()
    decision = artefact.decision([text or "" for text in known], matrix)
    winner = np.zeros(len(texts), dtype=np.int32)
    winner[rows] = decision.argmax(axis=1) if len(rows) else 0
    columns["winner"] = pa.array(winner, mask=absent_mask(rows, len(texts)))
    columns["scores"] = matrix_to_list_array(decision.astype(np.float64), rows, len(texts))
    if not vectors_too:
        columns["embedding"] = pa.nulls(len(texts), pa.list_(pa.float32()))
    return struct_array(columns)


def _worker_encoder(config: EncoderConfig) -> BertEncoder:
    """Return this worker's encoder, with as many threads as the task has CPUs."""
    from bert_spark.encoding.encoder_cache import get_encoder, model_loads

    limit_threads()
    before = model_loads()
    encoder = get_encoder(config)
    if model_loads() != before:
        # PySpark's worker collects garbage after every task: 0.17 s over the 420,000 objects of torch and transformers
        gc.unfreeze()
        gc.collect()
        gc.freeze()
    return encoder


def _encode_windows(windows: Iterator[Window], encoder: BertEncoder) -> Iterator[tuple[pa.Array, Encoded]]:
    """Embed each window's texts that are there; the encoder may take in more windows than it has given."""
    taken: deque[pa.Array] = deque()

    def texts() -> Iterator[list[str]]:
        for column, *_ in windows:
            for start in range(0, len(column), encoder.window_rows):
                taken.append(column.slice(start, encoder.window_rows))
                yield taken[-1].drop_null().to_pylist()

    for encoded in encoder.encode_windows(texts()):
        yield taken.popleft(), encoded


def _present_rows(column: pa.Array) -> np.ndarray:
    """Return the numbers of the rows that are not null."""
    return np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def _error_column(texts: pa.Array, failed: dict[int, str]) -> pa.Array:
    """Return the reason of each row without a vector: the text is missing, or the encoder's reason, by row number."""
    missing = dict.fromkeys(np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)).tolist(), MISSING_TEXT)
    return reason_array(missing | failed, len(texts))


def _embedding_columns(encoded: Encoded, texts: pa.Array) -> dict[str, pa.Array]:
    rows, present, good = len(texts), _present_rows(texts), encoded.good
    matrix = encoded.vectors if len(good) == len(present) else encoded.vectors[good]
    columns = {
        "embedding": matrix_to_list_array(matrix, present[good], rows),
        "error": _error_column(texts, {int(present[i]): reason for i, reason in encoded.errors.items()}),
    }
    mask = absent_mask(present, rows)
    for name in ("token_count", "truncated", "unknown_share", "reused"):
        values = getattr(encoded, name)
        full = np.zeros(rows, dtype=values.dtype)
        full[present] = values
        columns[name] = pa.array(full, mask=mask)
    return columns


def _as_udf(core: Core, fields: str, rows: int, columns: int = 1, *, arrow: bool = True) -> Callable[..., Any]:
    """Wrap a core function over whole windows as an Arrow UDF where Spark has it and `arrow`, else as a pandas UDF."""

    def run(batches: Iterable[Window]) -> Iterator[pa.StructArray]:
        whole = (
            tuple(pa.concat_arrays(list(parts)) for parts in zip(*each, strict=True))
            for each in group_into_windows(batches, rows)
        )
        first = next(whole, None)
        if first is not None:  # a task without rows loads no model
            with fatal_as_device_error():
                yield from core(itertools.chain([first], whole))

    def arrow_one(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        yield from run((batch,) for batch in batches)

    def arrow_two(batches: Iterator[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Array]:
        yield from run(batches)

    def pandas_one(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for struct in run((_text_array(batch),) for batch in batches):
            yield _frame(struct)

    def pandas_two(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        pairs = (
            (_text_array(texts), pa.Array.from_pandas(vectors, type=pa.list_(pa.float32())))
            for texts, vectors in batches
        )
        for struct in run(pairs):
            yield _frame(struct)

    if arrow and hasattr(F, "arrow_udf"):
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
