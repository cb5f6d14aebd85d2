"""Turn the settings of jobs/embed.py into its task."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING

from bert_spark.encoding.fingerprint import config_fingerprint, with_fixed_revision
from bert_spark.encoding.recipe_note import recipe_note
from bert_spark.encoding.vector_recipe import fill_in_length
from bert_spark.errors import ConfigError
from bert_spark.runs.task import Task
from bert_spark.spark.transforms import with_embedding
from bert_spark.tables.diagnostics import counted_diagnostics
from bert_spark.tables.outputs import qualified_path, read_output, table_properties
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.text_column import with_text_column
from bert_spark.tables.vector_reuse import check_reusable, join_known_vectors, merge_known_vectors

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bert_spark.settings import JobSettings

logger = logging.getLogger(__name__)


def embed_task(job: JobSettings) -> Task:
    """Return the task that adds embeddings to the input.

    Raises
    ------
    ModelError
        If the model is not on this machine and cannot be fetched, or its own recipe is asked for and can't be followed.
    """
    encoder = fill_in_length(with_fixed_revision(job.encoder))
    fingerprint, note = config_fingerprint(encoder), recipe_note(encoder)
    if note:
        logger.warning("%s", note)
    diagnostics = counted_diagnostics(shown=job.output.diagnostics)
    columns = {"embedding_column": job.embed.embedding_column, "error_column": job.output.error_column}
    add = functools.partial(with_embedding, encoder, **columns, diagnostics=diagnostics)
    add(text_column=job.input.text_column)  # refuses wrong names now
    not_texts = [job.schedule.date_column]

    def add_vectors(rows: DataFrame) -> DataFrame:
        return add(text_column=with_text_column(rows, job.input, not_texts).text_column)(rows)

    return Task(
        "embed",
        encoder,
        fingerprint,
        {FINGERPRINT_KEY: fingerprint},
        job.input,
        job.output,
        add_vectors,
        diagnostics,
        not_texts=not_texts,
        facts={"embed": dataclasses.asdict(job.embed), **({"recipe_note": note} if note else {})},
    )


def with_reused_vectors(spark: SparkSession, task: Task, job: JobSettings) -> Task:
    """Return the task with `--reuse` applied: texts that an earlier output holds get its vectors, without BERT.

    Raises
    ------
    ConfigError
        If `--overwrite` would remove the vectors before they are read.
    DataError, FingerprintError
        If the earlier output lacks a column, or another encoder made its vectors.
    """
    if job.embed.reuse is None:
        return task
    reuse = str(job.embed.reuse)
    if job.output.if_exists == "overwrite" and not job.schedule.is_scheduled:
        read, removed = (f"{qualified_path(spark, str(path)).rstrip('/')}/" for path in (reuse, job.output.path))
        if read.startswith(removed):
            raise ConfigError(
                f"got --reuse {reuse!r} with --overwrite of --output {job.output.path!r}, which would remove the "
                "vectors before they are read; pass another --output"
            )
    earlier_output = dataclasses.replace(job.output, path=reuse)
    earlier = read_output(spark, earlier_output)
    names = with_text_column(earlier, job.input, task.not_texts).text_column, job.embed.embedding_column
    check_reusable(earlier, reuse, *names, task.fingerprint, table_properties(spark, earlier_output))
    transform = merge_known_vectors(
        task.transform, job.embed.embedding_column, job.output.error_column, task.diagnostics["reused"]
    )

    def join(rows: DataFrame, tasks: int) -> DataFrame:
        return join_known_vectors(earlier, *names, task.for_input(rows).source.text_column)(rows, tasks)

    return dataclasses.replace(task, join_known=join, transform=transform)
