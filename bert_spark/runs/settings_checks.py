"""Refuse settings of a run that contradict each other. Needs neither Spark nor a file."""

from __future__ import annotations

from collections.abc import Sequence

from bert_spark.artefact.artefact_names import names_of_folders
from bert_spark.errors import ConfigError
from bert_spark.runs.config import ScheduleConfig
from bert_spark.tables.config import DATE_PLACEHOLDER, InputConfig, OutputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.output_address import check_output_address

SYNC_FORMATS = ("parquet", "table")  # of outputs that --sync can keep in step with their input


def has_path_per_day(source: InputConfig) -> bool:
    """Tell whether the path of the input contains `{run_date}`, so that each day has its own."""
    return DATE_PLACEHOLDER in str(source.path)


def check_run_settings(
    source: InputConfig,
    output: OutputConfig,
    schedule: ScheduleConfig,
    reuse: str | None = None,
    truth: str | None = None,
) -> None:
    """Check the settings of a job that writes a table.

    Parameters
    ----------
    source, output, schedule
        The settings.
    reuse
        `--reuse` of jobs/embed.py.
    truth
        `--truth` of jobs/score.py.

    Raises
    ------
    ConfigError
        If the output has no address, or settings contradict each other.
    """
    check_output_address(output, source)
    if reuse is not None and schedule.incremental:
        raise ConfigError("got --reuse with --incremental, which does not look up vectors; leave one of them out")
    if truth is not None and output.if_exists == "append":
        raise ConfigError(
            f"got --truth {truth!r} with --append: the rows that are there cannot be told from the new ones; pass "
            "another --output, or --overwrite"
        )
    if output.keep_order:
        _check_order(source, schedule)
    if schedule.estimate is not None:
        check_estimate(source)
    elif schedule.is_scheduled:
        check_schedule(source, output, schedule)


def check_artefacts(folders: Sequence[str], truth: str | None) -> None:
    """Refuse artefacts that cannot be told apart, and `--truth` beside several.

    Raises
    ------
    ConfigError
        As `names_of_folders` raises, or if the labels that are there could belong to any of the artefacts.
    """
    names_of_folders(folders)
    if truth is not None and len(folders) > 1:
        raise ConfigError(
            f"got --truth {truth!r} with {len(folders)} artefacts; it is compared with the labels of one: pass one "
            "--artefact, or leave out --truth"
        )


def _check_order(source: InputConfig, schedule: ScheduleConfig) -> None:
    if schedule.incremental:
        raise ConfigError(
            "got --keep-order with --incremental, which reads files as they arrive; leave one of them out"
        )
    kind = input_format(source)
    if kind in ("table", "delta"):
        raise ConfigError(
            f"got --keep-order, but {source.path!r} is read as {kind}, whose rows have no order; leave the option out, "
            "or set --format if it is a folder of files"
        )


def check_estimate(source: InputConfig) -> None:
    """Refuse `--estimate` for an input that has one path for each day.

    Raises
    ------
    ConfigError
        If the path of the input contains `{run_date}`.
    """
    if has_path_per_day(source):
        raise ConfigError(f"--estimate got --input {source.path!r}; write a day in place of {DATE_PLACEHOLDER}, or *")


def check_schedule(source: InputConfig, output: OutputConfig, schedule: ScheduleConfig) -> None:
    """Refuse settings of plain runs, and a range of days in which every day would get the whole input.

    Raises
    ------
    ConfigError
        If `--append` or `--overwrite` is set, if a range of days has neither a date column nor a path per day, if
        `--fail-on-malformed` is combined with `--incremental`, if a table has no `--work`, or as `check_sync` raises.
    """
    if schedule.sync:
        check_sync(source, output, schedule)
    if output.if_exists != "error":
        raise ConfigError(
            f"got if_exists={output.if_exists!r} with a scheduled run, which always replaces its own partition "
            f"and no other; leave out --{output.if_exists}"
        )
    if schedule.from_date and schedule.date_column is None and not has_path_per_day(source):
        raise ConfigError(
            f"--from and --to would publish all of {source.path!r} for each day; set --date-column, or put "
            f"{DATE_PLACEHOLDER} into --input"
        )
    if schedule.incremental and source.fail_on_malformed:
        raise ConfigError(
            "got --fail-on-malformed with --incremental, which reads each row only once and cannot check it before; "
            "set --max-error-share 0"
        )
    check_work(output, schedule.work)


def check_sync(source: InputConfig, output: OutputConfig, schedule: ScheduleConfig) -> None:
    """Refuse settings with which an output cannot be kept in step with its input.

    Raises
    ------
    ConfigError
        If there is no `--id-column`, if the output is neither Parquet nor a table, or if a setting of other runs is
        set, such as `--overwrite` or `--date-column`.
    """
    if source.id_column is None:
        raise ConfigError("--sync compares rows by their ids; set --id-column")
    if output.format not in SYNC_FORMATS:
        raise ConfigError(
            f"got --sync with --output-format {output.format}; expected parquet, or a table whose format has MERGE INTO"
        )
    others = {
        f"--{output.if_exists}": output.if_exists != "error",
        "--date-column": schedule.date_column is not None,
        "--keep-order": output.keep_order,
        f"{DATE_PLACEHOLDER} in --input": has_path_per_day(source),
    }
    given = [name for name, is_given in others.items() if is_given]
    if given:
        raise ConfigError(f"got {' and '.join(given)} with --sync, which compares all of the input; leave it out")


def check_work(output: OutputConfig, work: str | None) -> None:
    """Check that there is a folder for what a run stages: a table has none beside it.

    Raises
    ------
    ConfigError
        If the output is a table and `work` is not set.
    """
    if output.format == "table" and work is None:
        raise ConfigError(
            f"output {str(output.path).rstrip('/')!r} is a table: set --work to a folder for staged rows, lock and "
            "records, which driver and executors see, e.g. a volume"
        )
