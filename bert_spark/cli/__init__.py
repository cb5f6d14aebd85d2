"""The interface of the package to the jobs: command lines, exit codes, notebook widgets.

Owns the parsing of options and TOML files, the list of settings of each job, exit codes, and the shared end of the jobs
that write a table.
Refuses to do a job's work: it passes settings on.
May import every package except `before_0_2`. No package imports it.

The jobs take every step of their work from here, as `cli.spark_session` and so on. Each name is imported at its first
use, as in `bert_spark/__init__.py`: a job that only prints its help, or refuses a setting, loads no library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bert_spark.cli.missing_extras import missing_extra

if TYPE_CHECKING:
    from bert_spark.artefact.artefact_group import load_group
    from bert_spark.cli.exit_codes import run_job
    from bert_spark.cli.settings_checks import read_job
    from bert_spark.cli.table_job import run_table_job
    from bert_spark.runs.calibration import calibrate_on_input
    from bert_spark.runs.embed_task import embed_task, with_reused_vectors
    from bert_spark.runs.inspection_report import inspect_input
    from bert_spark.runs.run_history import history_of_output
    from bert_spark.runs.score_task import score_task
    from bert_spark.runs.staged_runs import discard_staged, publish_staged, staged_table
    from bert_spark.spark.local_workers import task_imports
    from bert_spark.spark.preflight import run_preflight
    from bert_spark.spark.session import spark_session
    from bert_spark.spark.training_data import load_training_data
    from bert_spark.training.search_run import check_search, encoder_of_search, search_and_save
    from bert_spark.training.train_run import check_training, train_and_save

__all__ = [
    "calibrate_on_input",
    "check_search",
    "check_training",
    "discard_staged",
    "embed_task",
    "encoder_of_search",
    "history_of_output",
    "inspect_input",
    "load_group",
    "load_training_data",
    "publish_staged",
    "read_job",
    "run_job",
    "run_preflight",
    "run_table_job",
    "score_task",
    "search_and_save",
    "spark_session",
    "staged_table",
    "task_imports",
    "train_and_save",
    "with_reused_vectors",
]

_HOME = {
    "calibrate_on_input": "runs.calibration",
    "check_search": "training.search_run",
    "check_training": "training.train_run",
    "discard_staged": "runs.staged_runs",
    "embed_task": "runs.embed_task",
    "encoder_of_search": "training.search_run",
    "history_of_output": "runs.run_history",
    "inspect_input": "runs.inspection_report",
    "load_group": "artefact.artefact_group",
    "load_training_data": "spark.training_data",
    "publish_staged": "runs.staged_runs",
    "read_job": "cli.settings_checks",
    "run_job": "cli.exit_codes",
    "run_preflight": "spark.preflight",
    "run_table_job": "cli.table_job",
    "score_task": "runs.score_task",
    "search_and_save": "training.search_run",
    "spark_session": "spark.session",
    "staged_table": "runs.staged_runs",
    "task_imports": "spark.local_workers",
    "train_and_save": "training.train_run",
    "with_reused_vectors": "runs.embed_task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bert_spark.cli' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"bert_spark.{_HOME[name]}"), name)
    except ModuleNotFoundError as err:
        missing = missing_extra(err)
        if missing is None:
            raise
        raise missing from err


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
