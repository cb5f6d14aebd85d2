"""Functions from DataFrame to DataFrame, to chain: `df.transform(with_embedding(config))`.

They are lazy: nothing here counts, caches or collects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.fingerprint import with_fixed_revision
from bert_spark.errors import ConfigError
from bert_spark.spark.result_columns import (
    RESULT,
    input_columns,
    named_column,
    result_diagnostics,
    result_error,
    result_labels,
    result_vector,
)
from bert_spark.spark.udf import embedding_udf, scoring_udf
from bert_spark.tables.diagnostics import diagnostic_columns
from bert_spark.tables.provenance import FINGERPRINT_KEY, check_vectors, vector_metadata
from bert_spark.tables.references import has_column
from bert_spark.tables.schema import check_columns_free, check_text_column, exact_column, usable_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from bert_spark.artefact.artefact_group import ArtefactGroup


Transform = Callable[["DataFrame"], "DataFrame"]


def with_embedding(
    config: EncoderConfig,
    *,
    text_column: str = "text",
    embedding_column: str = "embedding",
    error_column: str = "error",
    diagnostics: Collection[str] = (),
) -> Transform:
    """Return a function that adds the embeddings of a text column.

    The result has the input's columns, `embedding_column` (array<float>, null if there is no vector), `error_column`
    (string: the reason, null if there is a vector) and the requested diagnostics. Filter, limit and prune before it.
    Never sort or range-partition after it, since Spark would run BERT twice.

    Parameters
    ----------
    config
        The encoder's settings. A name on the hub is resolved here, once: executors load the same commit, and refuse
        to encode with another model.
    text_column
        Name of a string column, of a field of structs such as `extended_tweet.full_text`, or several such names,
        separated by commas: the first that is not null is read.
    embedding_column, error_column
        Names of the new columns. Neither may be in the input.
    diagnostics
        Any of "token_count" (before truncation), "truncated", "unknown_share", "reused". A mapping gives the names of
        their columns.

    Raises
    ------
    ConfigError
        If a diagnostic is unknown.
    DataError
        If the text column does not exist or is not a string column, or if a new column already exists.
    ModelError
        If the model cannot be loaded on the driver, which computes its fingerprint.
    """
    diagnostic_names = diagnostic_columns(diagnostics)
    config = with_fixed_revision(config)
    metadata = vector_metadata(config, text_column)
    added = {embedding_column: "set --embedding-column", error_column: "set --error-column"}
    added |= dict.fromkeys(diagnostic_names.values(), "leave out --diagnostics")
    _check_names_differ([embedding_column, error_column, *diagnostic_names.values()])

    def transform(df: DataFrame) -> DataFrame:
        check_text_column(df, text_column)
        check_columns_free(df, added)
        udf = embedding_udf(config, metadata[FINGERPRINT_KEY])  # here: jobs/embed.py has no session before
        embedded = df.withColumn(RESULT, udf(usable_text(df, text_column)))
        return embedded.select(
            *input_columns(df, text_column),
            result_vector(embedding_column, metadata),
            result_error(df, error_column),
            *result_diagnostics(diagnostic_names),
        )

    return transform


def preview(config: EncoderConfig, rows: int = 10, **options: Any) -> Transform:
    """Return a function that embeds the first rows of a table only.

    A limit after `with_embedding` would embed all rows.

    Parameters
    ----------
    config
        The encoder's settings.
    rows
        Number of rows.
    options
        As in `with_embedding`.
    """
    add = with_embedding(config, **options)
    return lambda df: add(df.limit(rows))


def with_score(
    artefact: str | Path | Mapping[str, str | Path] | ArtefactGroup,
    *,
    text_column: str = "text",
    embedding_column: str | None = None,
    error_column: str = "error",
    scores: bool = False,
    keep_embedding: bool = False,
    diagnostics: Collection[str] = (),
    min_probability: float | None = None,
    label_column: str = "label",
    margin_column: str = "margin",
    scores_column: str = "scores",
) -> Transform:
    """Return a function that adds the label that a trained artefact predicts for a text column.

    The result has the input's columns, `label_column`, `margin_column` (the winner's decision-function value) and
    `error_column`, and on request `scores_column` (map from label to value), `embedding` and diagnostics.

    Parameters
    ----------
    artefact
        Folder that `save_artefact` wrote. Executors read it too. If only the driver can, send it to them first, with
        `artefact_shipping.ship_artefact`. A mapping scores with several artefacts and runs BERT once: name -> folder,
        and the name is added to each column: `label_emotion`, `margin_emotion`. All must have one encoder. A group that
        is loaded already is not loaded again.
    text_column
        As in `with_embedding`.
    embedding_column
        An existing column of vectors of the same encoder. BERT then does not run.
    error_column
        Name of the error column. The reasons that an embedding output already has in it are copied.
    scores, keep_embedding
        Whether to add every class's value, and the vector.
    diagnostics
        As in `with_embedding`; null if BERT does not run.
    label_column, margin_column, scores_column
        Names of the new columns. None may be in the input.
    min_probability
        Below it the label is null. Needs an artefact that predicts probabilities, since margins of different classes
        are not comparable.

    Raises
    ------
    ArtefactError
        If the artefact is damaged or not to be trusted.
    FingerprintError
        If `embedding_column` holds vectors of another encoder, or if the artefacts have different encoders.
    ConfigError
        If `min_probability` is set and an artefact predicts margins.
    """
    from bert_spark.artefact.artefact_group import ArtefactGroup, load_group

    group = artefact if isinstance(artefact, ArtefactGroup) else load_group(artefact)
    if min_probability is not None and not group.gives_probabilities:
        with_margins = [one.path for one in group.artefacts if not one.gives_probabilities]
        raise ConfigError(
            f"min_probability={min_probability}: artefact {', '.join(map(repr, with_margins))} gives margins, and "
            "those of different classes are not comparable; train it with --calibrate sigmoid"
        )
    diagnostic_names = diagnostic_columns(diagnostics)
    from_vectors = embedding_column is not None
    adds_embedding = keep_embedding and not from_vectors
    kinds = {"label": label_column, "margin": margin_column} | ({"scores": scores_column} if scores else {})
    names = [{kind: named_column(column, name) for kind, column in kinds.items()} for name in group.by_name]
    new_columns = [column for columns in names for column in columns.values()]
    _check_names_differ([*new_columns, error_column, *diagnostic_names.values()])
    added = {column: f"set --{kind}-column" for columns in names for kind, column in columns.items()}
    added |= dict.fromkeys(diagnostic_names.values(), "leave out --diagnostics")
    if adds_embedding:
        added["embedding"] = "leave out --keep-embedding"
    if not from_vectors:  # an embedding output already has an error column
        added[error_column] = "set --error-column"
    udf = scoring_udf(
        group.places,
        from_vectors=from_vectors,
        vectors_too=adds_embedding,
        scores_too=scores,
        window_rows=group.config.window_rows,
    )

    def transform(df: DataFrame) -> DataFrame:
        if group.needs_text or not from_vectors:
            check_text_column(df, text_column)
        check_columns_free(df, added)
        arguments = [usable_text(df, text_column) if has_column(df.schema, text_column) else F.lit("")]
        replaced = []
        if embedding_column is not None:
            check_vectors(df, embedding_column, group.fingerprint)
            arguments.append(exact_column(embedding_column))
            replaced = [error_column, *([] if keep_embedding else [embedding_column])]
        scored = df.withColumn(RESULT, udf(*arguments))
        return scored.select(
            *input_columns(df, text_column, leave_out=replaced),
            *(column for n in range(len(names)) for column in result_labels(group, n, names[n], min_probability)),
            *([result_vector("embedding", vector_metadata(group.config, text_column))] if adds_embedding else []),
            result_error(df, error_column),
            *result_diagnostics(diagnostic_names),
        )

    return transform


def _check_names_differ(names: Sequence[str]) -> None:
    """Raise ConfigError if two new columns would have one name. Case is ignored, as Spark does."""
    repeated = sorted(name for name, count in Counter(map(str.lower, names)).items() if count > 1)
    if repeated:
        raise ConfigError(f"got the names {repeated} for two new columns each; give every column a name of its own")
