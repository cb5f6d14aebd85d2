"""Read a job's settings from its command line and TOML file. Runs no job."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from bert_spark.cli.job_sections import ALL_SECTIONS, JOB_SECTIONS
from bert_spark.errors import ConfigError
from bert_spark.settings import PATH_KEYS, JobSettings, from_mapping, read_toml, toml_key

# Settings that name data. With any of them the settings of the sample tweets no longer hold.
_OWN_DATA = ("input.path", "output.path", "scores.path", "train.embeddings", "train.artefact", "history.output")


class _Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError. argparse's own ends the process, and a notebook with it."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help lists the options")


def parse_job(script: str, doc: str | None, argv: list[str] | None = None) -> JobSettings:
    """Read a job's settings. Options override the TOML file, which overrides the defaults.

    Parameters
    ----------
    script
        The job's `__file__`. Its name decides which settings the job has. Unless an option says where data comes from
        or goes to, `conf/local.toml` in the parent of its folder is read: a checkout has that file, the wheel does not.
    doc
        The job's docstring, which `--help` prints.
    argv
        Command line without the program's name; by default that of the process.

    Raises
    ------
    ConfigError
        If a key or option is unknown, if a value is refused, or if there are no options and no `conf/local.toml`.
    """
    default_file = Path(script).resolve().parents[1] / "conf" / "local.toml"
    name = Path(script).stem
    argv = sys.argv[1:] if argv is None else argv
    arguments = vars(_parser(name, doc, default_file).parse_args(argv))
    check = arguments.pop("check")
    path = arguments.pop("config")
    if path is None and not argv and not default_file.exists():
        raise ConfigError("no options given, and there is no checkout here with a conf/local.toml to read; see --help")
    if path is None and default_file.exists() and not any(arguments.get(name) is not None for name in _OWN_DATA):
        path = str(default_file)
    tables = _with_absolute_paths(read_toml(path, ALL_SECTIONS), Path(path).parent) if path else {}
    sections: dict[str, Any] = {
        "check": check,
        "spark": dict(_spark_settings(tables.get("spark", {}))),
    }
    for section, kind in JOB_SECTIONS[name].items():
        options = {
            key.removeprefix(f"{section}."): value
            for key, value in arguments.items()
            if value is not None and key.startswith(f"{section}.")
        }
        sections[section] = from_mapping(kind, {**tables.get(section, {}), **options}, f"[{section}]")
    return JobSettings(name, sections)


def _parser(name: str, doc: str | None, default_file: Path) -> _Parser:
    parser = _Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="check that all executors can run the job, then stop")
    config = f"TOML file of settings; without --input and --output, {default_file}" if default_file.exists() else None
    parser.add_argument("--config", help=config or "TOML file of settings")
    for section, kind in JOB_SECTIONS[name].items():
        _add_options(parser.add_argument_group(section), section, kind)
    return parser


def _add_options(group: Any, section: str, kind: type) -> None:
    """Add one option for each setting of the dataclass `kind` that has a default and is not for TOML only."""
    hints = typing.get_type_hints(kind)
    for spec in dataclasses.fields(kind):
        if not spec.metadata or isinstance(spec.default, dataclasses._MISSING_TYPE):
            continue
        flags = [spec.metadata["flag"] or "--" + spec.name.replace("_", "-"), *spec.metadata["aliases"]]
        default = "" if spec.default in (None, ()) else f" (default: {spec.default})"
        extra: dict[str, Any] = {
            "dest": f"{section}.{toml_key(spec)}",
            "default": None,  # so that only options on the command line override the TOML file
            "help": f"{spec.metadata['help']}{default}".replace("%", "%%"),
        }
        types = [part for part in (typing.get_args(hints[spec.name]) or (hints[spec.name],)) if part is not type(None)]
        if types[0] is bool:
            group.add_argument(*flags, action=argparse.BooleanOptionalAction, **extra)
            continue
        if typing.get_origin(hints[spec.name]) is tuple:  # repeatable
            extra["action"] = "append"
        group.add_argument(*flags, type=types[0], choices=spec.metadata["choices"], metavar=spec.name.upper(), **extra)
        if spec.name == "if_exists":
            for short in ("overwrite", "append"):
                group.add_argument(
                    f"--{short}", action="store_const", const=short, dest=extra["dest"], help=f"--if-exists {short}"
                )


def _spark_settings(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield Spark's settings as texts. A name without quotes is read as nested tables by TOML; its parts are joined.

    Raises
    ------
    ConfigError
        If Spark would ignore a setting because of its name.
    """
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _spark_settings(value, f"{name}.")
        elif not name.startswith(("spark.", "hive.")):
            raise ConfigError(f"[spark]: {name!r} is no setting of Spark; write the whole name, such as spark.{name}")
        elif isinstance(value, list):
            yield name, ",".join(map(str, value))
        else:
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _with_absolute_paths(tables: dict[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of a TOML file in `folder`. Paths that start with ./ or ../ are relative to that folder."""

    def absolute(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [absolute(key, one) for one in value]
        is_relative = key in PATH_KEYS and isinstance(value, str) and value.startswith(("./", "../"))
        return str((folder / value).resolve()) if is_relative else value

    return {name: {key: absolute(key, value) for key, value in table.items()} for name, table in tables.items()}
