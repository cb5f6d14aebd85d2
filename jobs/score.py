"""Give every tweet of a table the label of a trained classifier, in parallel.

./spark-submit.sh jobs/score.py
./spark-submit.sh jobs/score.py --artefact artefact --input tweets.csv --text-column content --output scores
./spark-submit.sh jobs/score.py --artefact artefact --input embeddings --embedding-column embedding --output scores
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a plain spark-submit of this file from a checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bert_spark.artefact import load_artefact
from bert_spark.cli import parse, required, run
from bert_spark.columns import counted_diagnostics, without_hidden
from bert_spark.frames import with_score
from bert_spark.jobconf import InputConfig, OutputConfig, ScoreConfig
from bert_spark.preflight import ready
from bert_spark.runs import RunRecord, show, summary
from bert_spark.session import spark_session
from bert_spark.sinks import check_output, write
from bert_spark.sources import read
from bert_spark.spread import spread

LOCAL = Path(__file__).resolve().parents[1] / "conf" / "local.toml"
SECTIONS = {"input": InputConfig, "scores": OutputConfig, "score": ScoreConfig}


def score(argv: list[str] | None = None) -> None:
    """Parse, read, score, write; then leave a record and print a summary."""
    job = parse(__doc__ or "", SECTIONS, LOCAL, argv)
    artefact = load_artefact(required(job.score.artefact, "--artefact"))
    with spark_session("bert_spark score", job.spark) as spark:
        if not ready(spark, artefact.config, check_only=job.check):
            return
        tweets = read(spark, job.input)
        check_output(spark, job.scores, job.input, artefact.fingerprint)
        facts = {"input": job.input.path, "artefact": artefact.path, "artefact_digest": artefact.digest}
        record = RunRecord("score", job.scores.path, artefact.config, artefact.fingerprint, facts)
        counted = (
            {}
            if job.score.embedding_column or not artefact.uses_bert
            else counted_diagnostics(shown=job.scores.diagnostics)
        )
        names = {"text_column": job.input.text_column, "error_column": job.scores.error_column}
        wanted = {"scores": job.score.scores, "keep_embedding": job.score.keep_embedding, "diagnostics": counted}
        wanted |= {"embedding_column": job.score.embedding_column, "min_probability": job.score.min_probability}
        add = with_score(artefact.path, **names, **wanted)
        parts = spread(record.count_in(tweets, job.input.text_column), job.input.partition_mb)
        scored = record.count_out(parts.transform(add), job.scores.error_column, counted, artefact.labels.tolist())
        write(without_hidden(scored), job.scores)
        print(summary(record.finish(), record.save(spark, job.scores.format)))
        show(spark, job.scores)


def main(argv: list[str] | None = None) -> int:
    """Run the job; return its exit code."""
    return run(lambda: score(argv))


if __name__ == "__main__":
    sys.exit(main())
