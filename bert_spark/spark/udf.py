"""The vectorised UDFs: get the encoder or the artefacts, encode or score, yield.

They close over settings only, never over weights.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.threads import limit_threads
from bert_spark.spark.embedded_windows import EMBEDDING_FIELDS, embed_windows
from bert_spark.spark.scored_windows import score_windows, scored_fields
from bert_spark.spark.udf_wrapping import wrap_as_udf

if TYPE_CHECKING:
    import pyarrow as pa

    from bert_spark.artefact.artefact_group import ArtefactGroup
    from bert_spark.encoding.encoder import BertEncoder
    from bert_spark.spark.windowing import Window


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
    artefacts: Mapping[str, tuple[str, str]],
    *,
    from_vectors: bool,
    vectors_too: bool,
    scores_too: bool,
    window_rows: int,
) -> Callable[..., Any]:
    """Return the UDF from (text) or (text, embedding) to a struct of `scored_fields`.

    Parameters
    ----------
    artefacts
        Name -> path and digest. A worker loads each once and verifies it, from its path or from the files that the
        session sent.
    from_vectors
        Whether the UDF receives embeddings. BERT then does not run.
    vectors_too
        Whether the struct holds the embedding.
    scores_too
        Whether the struct holds every class's value.
    window_rows
        Rows that are encoded together.
    """

    def score(windows: Iterator[Window]) -> Iterator[pa.StructArray]:
        group = _worker_artefacts(artefacts)
        encoder = _worker_encoder(group.config, group.fingerprint) if group.uses_bert and not from_vectors else None
        return score_windows(group, windows, encoder, vectors_too=vectors_too, scores_too=scores_too)

    fields = scored_fields(len(artefacts), scores_too=scores_too)
    return wrap_as_udf(score, fields, window_rows, columns=1 + from_vectors)


def _worker_artefacts(artefacts: Mapping[str, tuple[str, str]]) -> ArtefactGroup:
    """Return the artefacts, name -> path and digest. Each is loaded once in this worker."""
    from bert_spark.artefact.artefact_group import cached_group
    from bert_spark.spark.artefact_shipping import artefact_folder_here

    loaded_before = cached_group.cache_info().misses
    folders = ((name, artefact_folder_here(*place), place[1]) for name, place in artefacts.items())
    group = cached_group(tuple(folders))
    if cached_group.cache_info().misses != loaded_before:
        freeze_loaded_objects()
    return group


def _worker_encoder(config: EncoderConfig, fingerprint: str) -> BertEncoder:
    """Return this worker's encoder, with as many threads as the task has CPUs. Its fingerprint must be this one."""
    from bert_spark.encoding.encoder_cache import get_encoder, model_loads

    limit_threads()
    before = model_loads()
    encoder = get_encoder(config, fingerprint=fingerprint)
    if model_loads() != before:
        freeze_loaded_objects()
    return encoder


def freeze_loaded_objects() -> None:
    """Take everything that is loaded out of garbage collection, which PySpark's worker runs after every task.

    Over the 420,000 objects of torch and transformers it takes 0.17 s.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
