"""DataFrame -> DataFrame, lazily: nothing here counts, caches or collects. Chains:
``df.transform(with_embedding(config))``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.error_reasons import MALFORMED_ROW
from bert_spark.errors import ConfigError
from bert_spark.spark.udf import embedding_udf, scoring_udf
from bert_spark.tables.diagnostics import diagnostic_columns
from bert_spark.tables.provenance import ARTEFACT_KEY, FINGERPRINT_KEY, check_vectors, vector_metadata
from bert_spark.tables.schema import MALFORMED_COLUMN, check_columns_free, check_text_column, exact_column, usable_text

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


Transform = Callable[["DataFrame"], "DataFrame"]
_RESULT = "_bert_spark"


def with_embedding(
    config: EncoderConfig,
    *,
    text_column: str = "text",
    embedding_column: str = "embedding",
    error_column: str = "error",
    diagnostics: Collection[str] = (),
) -> Transform:
    """Return a function that adds the embeddings of a text column.

    The result has the input's columns, `embedding_column` (array<float>, null where there is no vector), `error_column`
    (string, the reason; null where all is well) and the diagnostics asked for. Filter, limit and prune before it; never
    sort or range-partition after it, since Spark would run BERT twice.

    Parameters
    ----------
    config
        The encoder's settings.
    text_column
        Name of a string column.
    embedding_column, error_column
        Names of the new columns; neither may be in the input.
    diagnostics
        Any of "token_count" (before the cut), "truncated", "unknown_share", "reused"; as a mapping, with the names
        of their columns.

    Raises
    ------
    ConfigError
        For an unknown diagnostic.
    DataError
        When the text column is absent or no string, or a new column is there already.
    ModelError
        When the model can't be had on the driver, where its fingerprint is taken.
    """
    names = diagnostic_columns(diagnostics)
    metadata = vector_metadata(config)

    def transform(df: DataFrame) -> DataFrame:
        check_text_column(df, text_column)
        check_columns_free(df, [embedding_column, error_column, *names.values()])
        done = df.withColumn(_RESULT, embedding_udf(config)(usable_text(df, text_column)))
        kept = _input_columns(df, text_column)
        vector = F.col(f"{_RESULT}.embedding").alias(embedding_column, metadata=metadata)
        return done.select(*kept, vector, _error_column_expression(df, error_column), *_diagnostic_columns(names))

    return transform


def preview(config: EncoderConfig, rows: int = 10, **options: Any) -> Transform:
    """Return a function that embeds the first rows of a table: a limit after the embedding would embed them all.

    Parameters
    ----------
    config
        The encoder's settings.
    rows
        How many.
    options
        As in `with_embedding`.
    """
    add = with_embedding(config, **options)
    return lambda df: add(df.limit(rows))


def with_score(
    artefact: str,
    *,
    text_column: str = "text",
    embedding_column: str | None = None,
    error_column: str = "error",
    scores: bool = False,
    keep_embedding: bool = False,
    diagnostics: Collection[str] = (),
    min_probability: float | None = None,
) -> Transform:
    """Return a function that adds the label a trained artefact gives to a text column.

    The result has the input's columns, `label`, `margin` (the winner's decision-function value), `error_column`, and on
    request `scores` (map from label to value), `embedding` and diagnostics.

    Parameters
    ----------
    artefact
        Folder that `save_artefact` wrote, readable on the executors; one that only the driver sees goes there by
        `shipping.ship` first.
    text_column
        Name of a string column.
    embedding_column
        A column of vectors of the same encoder that is there already: BERT does not run.
    error_column
        Name of the error column; an earlier one of an embedding output is kept on.
    scores, keep_embedding
        Whether to add every class's value, and the vector.
    diagnostics
        As in `with_embedding`; null where BERT does not run.
    min_probability
        Below it the label is null; for an artefact that gives probabilities, since margins of different classes are
        not comparable.

    Raises
    ------
    ArtefactError
        When the artefact is damaged or not to be trusted.
    FingerprintError
        When `embedding_column` holds vectors of another encoder.
    ConfigError
        When `min_probability` is asked of an artefact that gives margins.
    """
    from bert_spark.artefact.loading import load_artefact

    loaded = load_artefact(artefact)
    if min_probability is not None and not loaded.gives_probabilities:
        raise ConfigError(
            f"min_probability={min_probability}: artefact {artefact!r} gives margins, and those of different "
            "classes are not comparable; train it with --calibrate sigmoid"
        )
    diagnostic_names = diagnostic_columns(diagnostics)
    labels = [_python_value(label) for label in loaded.labels]
    identity = {ARTEFACT_KEY: loaded.digest, FINGERPRINT_KEY: loaded.fingerprint}
    udf = scoring_udf(
        loaded.path,
        loaded.digest,
        from_vectors=embedding_column is not None,
        vectors_too=keep_embedding and embedding_column is None,
        window_rows=loaded.config.window_rows,
    )

    def transform(df: DataFrame) -> DataFrame:
        if embedding_column is None or loaded.needs_text:
            check_text_column(df, text_column)
        new = ["label", "margin", *(["scores"] if scores else []), *diagnostic_names.values()]
        if embedding_column is None:
            new += [error_column, *(["embedding"] if keep_embedding else [])]
        check_columns_free(df, new)
        text = usable_text(df, text_column) if text_column in df.columns else F.lit("")
        if embedding_column is not None:
            check_vectors(df, embedding_column, loaded.fingerprint)
            done = df.withColumn(_RESULT, udf(text, exact_column(embedding_column)))
        else:
            done = df.withColumn(_RESULT, udf(text))
        gone = set() if embedding_column is None else {error_column, *([] if keep_embedding else [embedding_column])}
        kept = _input_columns(df, text_column, leave_out=gone)
        names = F.array(*[F.lit(label) for label in labels])
        winner, values = F.col(f"{_RESULT}.winner"), F.col(f"{_RESULT}.scores")
        best, label = F.get(values, winner), F.get(names, winner)
        sure = label if min_probability is None else F.when(best >= min_probability, label)
        out: list[Any] = [sure.alias("label", metadata=identity), best.alias("margin")]
        if scores:
            out.append(F.when(winner.isNotNull(), F.map_from_arrays(names, values)).alias("scores"))
        if keep_embedding and embedding_column is None:
            out.append(F.col(f"{_RESULT}.embedding").alias("embedding", metadata=vector_metadata(loaded.config)))
        return done.select(
            *kept, *out, _error_column_expression(df, error_column), *_diagnostic_columns(diagnostic_names)
        )

    return transform


def _input_columns(df: DataFrame, text_column: str, leave_out: Collection[str] = ()) -> list[Any]:
    """Return the input's columns; the text of a malformed record is its raw text."""
    columns: list[Any] = []
    for name in df.columns:
        if name == MALFORMED_COLUMN or name in leave_out:
            continue
        if name == text_column and MALFORMED_COLUMN in df.columns:
            columns.append(F.coalesce(F.col(MALFORMED_COLUMN), exact_column(name)).alias(name))
        else:
            columns.append(exact_column(name))
    return columns


def _error_column_expression(df: DataFrame, name: str) -> Column:
    """Return the error column: the record's, else the one an embedding output brought along, else the UDF's."""
    reasons = [F.col(f"{_RESULT}.error")]
    if name in df.columns:
        reasons.insert(0, exact_column(name))
    if MALFORMED_COLUMN in df.columns:
        reasons.insert(0, F.when(F.col(MALFORMED_COLUMN).isNotNull(), F.lit(MALFORMED_ROW)))
    return F.coalesce(*reasons).alias(name)


def _diagnostic_columns(names: Mapping[str, str]) -> list[Column]:
    return [F.col(f"{_RESULT}.{name}").alias(column) for name, column in names.items()]


def _python_value(label: Any) -> Any:
    """Return a numpy scalar as the Python value Spark takes."""
    return label.item() if hasattr(label, "item") else label
