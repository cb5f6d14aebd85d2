"""Read a job's settings and refuse, before Spark starts, those that no run can have. Imports the standard library only.

What needs a session, a model or a file is checked later, where it is used.
"""

from __future__ import annotations

from bert_spark.cli.command_line import parse_job
from bert_spark.runs.settings_checks import check_artefacts, check_run_settings
from bert_spark.settings import JobSettings
from bert_spark.tables.input_format import check_input_settings

_REQUIRED = {
    "train": ("train.artefact", "--output"),
    "search": ("train.artefact", "--output"),
    "score": ("score.artefact", "--artefact"),
    "history": ("history.output", "--output"),
}


def read_job(script: str, doc: str | None, argv: list[str] | None = None) -> JobSettings:
    """Read a job's settings and check that they fit together. Parameters as in `parse_job`.

    Raises
    ------
    ConfigError
        As in `parse_job`; or if a required setting is not set, or settings contradict each other.
    DataError
        If the name of the input is that of an archive or a spreadsheet.
    """
    job = parse_job(script, doc, argv)
    if job.name in _REQUIRED:
        job.required(*_REQUIRED[job.name])
    if job.name == "score":
        check_artefacts(job.score.artefact, job.score.truth)
    if job.check or job.name == "history":  # the pre-flight reads no input and writes no output
        return job
    if job.name == "inspect":
        check_input_settings(job.input)
        return job
    if job.name in ("train", "search"):
        if job.train.embeddings is None:
            check_input_settings(job.input)
        return job
    check_input_settings(job.input)
    if job.name == "embed":
        check_run_settings(job.input, job.output, job.schedule, reuse=job.embed.reuse)
    else:
        check_run_settings(job.input, job.scores, job.schedule, truth=job.score.truth)
    return job
