"""Windows of rows with what each artefact of a group predicts, from vectors that are there or that BERT computes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
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
    usable_vectors,
)
from bert_spark.spark.embedded_windows import (
    EMBEDDING_FIELDS,
    columns_without_bert,
    embedding_columns,
    encode_windows,
    null_vectors,
    present_rows,
)

if TYPE_CHECKING:
    from bert_spark.artefact.artefact_group import ArtefactGroup
    from bert_spark.encoding.encoder import BertEncoder
    from bert_spark.spark.windowing import Window


def scored_fields(artefacts: int, *, scores_too: bool) -> str:
    """Return the fields of a scored row as DDL: EMBEDDING_FIELDS, and for the n-th artefact "winner_n" and "margin_n".

    A winner is the index of the class with the highest value, the margin its value. On request "scores_n" has every
    class's value.
    """
    kinds = {"winner": "int", "margin": "double"} | ({"scores": "array<double>"} if scores_too else {})
    predicted = [f"{name}_{n} {kind}" for n in range(artefacts) for name, kind in kinds.items()]
    return ", ".join([EMBEDDING_FIELDS, *predicted])


def score_windows(
    group: ArtefactGroup,
    windows: Iterator[Window],
    encoder: BertEncoder | None,
    *,
    vectors_too: bool = False,
    scores_too: bool = False,
) -> Iterator[pa.StructArray]:
    """Score windows with every artefact of a group. Rows without a vector get null labels.

    Parameters
    ----------
    group
        The artefacts.
    windows
        Of texts, or of texts and vectors.
    encoder
        Computes the vectors. None if the windows hold them, or if no artefact uses BERT.
    vectors_too
        Whether the result holds the vectors.
    scores_too
        Whether it holds every class's value.
    """
    if encoder is not None:
        scored = _score_texts(group, windows, encoder, scores_too)
    elif group.uses_bert:
        scored = _score_vectors(group, windows, scores_too)
    else:
        scored = _score_without_bert(group, windows, scores_too)
    for columns in scored:
        if not vectors_too:
            columns["embedding"] = null_vectors(len(columns["embedding"]))
        yield struct_array(columns)


def _score_texts(
    group: ArtefactGroup, windows: Iterator[Window], encoder: BertEncoder, scores_too: bool
) -> Iterator[dict[str, pa.Array]]:
    for texts, encoded in encode_windows(windows, encoder):
        with_vector = encoded.rows_with_vector
        rows = present_rows(texts)[with_vector]
        predicted = _predictions(group, texts, rows, encoded.vectors[with_vector], scores_too)
        yield embedding_columns(encoded, texts) | predicted


def _score_vectors(group: ArtefactGroup, windows: Iterator[Window], scores_too: bool) -> Iterator[dict[str, pa.Array]]:
    for texts, vectors in windows:
        rows, matrix, reasons = usable_vectors(vectors, group.vector_width)
        predicted = _predictions(group, texts, rows, matrix, scores_too)
        missing_texts = texts.is_null().to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(missing_texts):
            if group.needs_text or int(row) in reasons:
                reasons[int(row)] = MISSING_TEXT
        error = reason_array(reasons, len(texts))
        yield {"embedding": vectors, "error": error, **null_diagnostics(len(texts)), **predicted}


def _score_without_bert(
    group: ArtefactGroup, windows: Iterator[Window], scores_too: bool
) -> Iterator[dict[str, pa.Array]]:
    nothing = np.empty(0, dtype=np.intp), np.empty((0, 0), dtype=np.float32)
    for texts, *_ in windows:
        predicted = _predictions(group, texts, *nothing, scores_too)
        yield {"embedding": null_vectors(len(texts)), **columns_without_bert(texts), **predicted}


def _predictions(
    group: ArtefactGroup, texts: pa.Array, rows: np.ndarray, matrix: np.ndarray, scores_too: bool
) -> dict[str, pa.Array]:
    """Return what every artefact predicts for a window.

    Parameters
    ----------
    group
        The artefacts. Those that use BERT score `matrix`, the others the texts that are not null.
    texts
        Of all rows of the window.
    rows
        Numbers of the rows that have a vector, shape (n,).
    matrix
        Their vectors, float32, shape (n, width).
    scores_too
        Whether to return every class's value.
    """

    @cache
    def texts_of(uses_bert: bool) -> list[str]:
        chosen = rows if uses_bert else present_rows(texts)
        return [text or "" for text in texts.take(pa.array(chosen)).to_pylist()]

    columns: dict[str, pa.Array] = {}
    for n, artefact in enumerate(group.artefacts):
        scored = rows if artefact.uses_bert else present_rows(texts)
        known = texts_of(artefact.uses_bert) if artefact.needs_text else [""] * len(scored)
        decision = artefact.decision(known, matrix if artefact.uses_bert else None)
        for name, column in _decision_columns(decision, scored, len(texts), scores_too).items():
            columns[f"{name}_{n}"] = column
    return columns


def _decision_columns(decision: np.ndarray, rows: np.ndarray, size: int, scores_too: bool) -> dict[str, pa.Array]:
    """Return "winner" and "margin", and on request "scores": columns of `size` rows, null outside `rows`."""
    winner, margin, mask = np.zeros(size, dtype=np.int32), np.zeros(size), absent_mask(rows, size)
    if len(rows):
        winner[rows] = decision.argmax(axis=1)
        margin[rows] = decision[np.arange(len(rows)), winner[rows]]
    columns = {"winner": pa.array(winner, mask=mask), "margin": pa.array(margin, mask=mask)}
    if scores_too:
        columns["scores"] = matrix_to_list_array(decision.astype(np.float64), rows, size)
    return columns
