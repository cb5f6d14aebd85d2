"""Add a BERT embedding to every tweet of a table.

Run it from a checkout, on the project's sample tweets:

    ./spark-submit.sh jobs/embed.py

or on a table of your own:

    ./spark-submit.sh jobs/embed.py --input tweets.csv --text-column content --output embeddings
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.cli import parse, run
from bert_spark.columns import counted_diagnostics, without_hidden
from bert_spark.config import EncoderConfig
from bert_spark.frames import with_embedding
from bert_spark.jobconf import EmbedConfig, InputConfig, OutputConfig
from bert_spark.model import config_fingerprint
from bert_spark.preflight import ready
from bert_spark.runs import RunRecord, show, summary
from bert_spark.session import spark_session
from bert_spark.sinks import check_output, write
from bert_spark.sources import read
from bert_spark.spread import spread

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {"input": InputConfig, "encoder": EncoderConfig, "output": OutputConfig, "embed": EmbedConfig}


def embed(argv: list[str] | None = None) -> None:
    """Parse, read, embed, write; then leave a record and print a summary."""
    job = parse(__doc__ or "", SECTIONS, LOCAL, argv)
    fingerprint = config_fingerprint(job.encoder)
    with spark_session("bert_spark embed", job.spark) as spark:
        if not ready(spark, job.encoder, check_only=job.check):
            return
        tweets = read(spark, job.input)
        check_output(spark, job.output, job.input, fingerprint)
        record = RunRecord("embed", job.output.path, job.encoder, fingerprint, {"input": job.input.path})
        parts = spread(record.count_in(tweets, job.input.text_column), job.input.partition_mb)
        counted = counted_diagnostics(shown=job.output.diagnostics)
        names = {"embedding_column": job.embed.embedding_column, "error_column": job.output.error_column}
        add = with_embedding(job.encoder, text_column=job.input.text_column, **names, diagnostics=counted)
        embedded = record.count_out(parts.transform(add), job.output.error_column, counted)
        write(without_hidden(embedded), job.output)
        print(summary(record.finish(), record.save(spark, job.output.format)))
        show(spark, job.output, leave_out=job.embed.embedding_column)


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run(lambda: embed(argv))


if __name__ == "__main__":
    sys.exit(main())
