"""Read a job's settings and refuse, before Spark starts, those that no run can have. Imports the standard library only.

What needs a session, a model or the content of a file is checked later, where it is used.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from bert_spark.artefact.format_versions import METADATA_FILE, no_artefact
from bert_spark.cli.command_line import parse_job
from bert_spark.encoding.model_files import check_new_model_folder
from bert_spark.errors import ConfigError
from bert_spark.runs.settings_checks import check_artefacts, check_run_settings
from bert_spark.settings import JobSettings
from bert_spark.tables.input_format import check_input_settings

_REQUIRED = {
    "train": ("train.artefact", "--output"),
    "search": ("train.artefact", "--output"),
    "score": ("score.artefact", "--artefact"),
    "calibrate": ("calibrate.output", "--output"),
    "history": ("history.output", "--output"),
}


def read_job(script: str, doc: str | None, argv: list[str] | None = None) -> JobSettings:
    """Read a job's settings and check that they fit together. Parameters as in `parse_job`.

    Raises
    ------
    ConfigError
        As in `parse_job`; or if a required setting is not set, settings contradict each other, or scikit-learn lacks
        the classifier.
    ArtefactError
        If a local folder holds no artefact.
    DataError
        If the name of the input is that of an archive or a spreadsheet.
    """
    job = parse_job(script, doc, argv)
    if job.name in _REQUIRED:
        job.required(*_REQUIRED[job.name])
    if job.name == "score":
        check_artefacts(job.score.artefact, job.score.truth)
        _check_artefacts_exist(job.score.artefact)
    if job.name in ("train", "search"):
        _check_head_exists(job.head.class_name)
    if job.check and job.name == "calibrate":
        raise ConfigError("jobs/calibrate.py runs no executor that --check could look at; leave --check out")
    if job.check or job.name == "history":  # the pre-flight reads no input and writes no output
        return job
    if job.name == "calibrate":
        check_new_model_folder(job.calibrate.output)
    if job.name in ("inspect", "calibrate"):
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


def _check_artefacts_exist(folders: Sequence[str]) -> None:
    for folder in folders:
        has_scheme = re.match(r"[\w+.-]+:", folder)  # fsspec reads it
        if not has_scheme and not (Path(folder).expanduser() / METADATA_FILE).is_file():
            raise no_artefact(folder)


def _check_head_exists(class_name: str) -> None:
    """Refuse a classifier that scikit-learn lacks, by the names in its source: importing it takes a second."""
    found = importlib.util.find_spec("sklearn")
    if found is None:  # this Python only checks settings
        return
    _, *parts, name = class_name.split(".")
    module = Path(*found.submodule_search_locations or ()).joinpath(*parts)
    source = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    words = set(re.findall(r"\w+", source.read_text(encoding="utf-8"))) if source.is_file() else set()
    is_compiled = not words and any(module.parent.glob(f"{module.name}.*"))
    if name in words or "__getattr__" in words or is_compiled:  # the class itself is tried before BERT runs
        return
    alike = difflib.get_close_matches(name, words, n=1)
    raise ConfigError(
        f"head {class_name!r}: scikit-learn has no such class"
        + (f"; did you mean {'.'.join(['sklearn', *parts, *alike])!r}?" if alike else "")
    )
