"""From a command line and a TOML file to a job's settings."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import typing
from pathlib import Path
from typing import Any, NoReturn

from bert_spark.cli.sections import ALL_SECTIONS, JOB_SECTIONS
from bert_spark.errors import ConfigError
from bert_spark.settings import JobSettings, from_mapping, read_toml

logger = logging.getLogger(__name__)


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse ends the process: a notebook is to survive a wrong option."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help lists the options")


def parse_job(script: str, doc: str | None, argv: list[str] | None = None) -> JobSettings:
    """Read a job's settings: options override the TOML file, which overrides the defaults.

    Parameters
    ----------
    script
        The job's `__file__`. Its name says which settings the job has. With no options at all, `conf/local.toml` beside
        its folder is read: a checkout has that file, the wheel does not.
    doc
        The job's docstring, printed by `--help`.
    argv
        Command line without the program's name; by default the process's own.

    Raises
    ------
    ConfigError
        For an unknown key or option, a bad value, or no options where there is no `conf/local.toml`.
    """
    default = Path(script).resolve().parents[1] / "conf" / "local.toml"
    name = Path(script).stem
    argv = sys.argv[1:] if argv is None else argv
    given = vars(_parser(name, doc, default).parse_args(argv))
    check = given.pop("check")
    path = given.pop("config") or (str(default) if argv in ([], ["--check"]) else None)
    if path == str(default) and not default.exists():
        raise ConfigError("no options given, and there is no checkout here with a conf/local.toml to read; see --help")
    tables = _anchored(read_toml(path, ALL_SECTIONS), Path(path).parent) if path else {}
    options = {key: value for key, value in given.items() if value is not None}
    sections: dict[str, Any] = {
        "check": check,
        "spark": {key: str(value) for key, value in tables.get("spark", {}).items()},
    }
    for section, kind in JOB_SECTIONS[name].items():
        mine = {key.split(".")[1]: value for key, value in options.items() if key.startswith(f"{section}.")}
        sections[section] = from_mapping(kind, {**tables.get(section, {}), **mine}, f"[{section}]")
    return JobSettings(name, sections)


def _parser(name: str, doc: str | None, default: Path) -> _Parser:
    parser = _Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="check that all executors can do the work, and stop")
    config = f"TOML file; with no options at all, {default}" if default.exists() else "TOML file"
    parser.add_argument("--config", help=config)
    for section, kind in JOB_SECTIONS[name].items():
        _add_options(parser.add_argument_group(section), section, kind)
    return parser


def _add_options(group: Any, section: str, kind: type) -> None:
    hints = typing.get_type_hints(kind)
    for spec in dataclasses.fields(kind):
        if not spec.metadata or isinstance(spec.default, dataclasses._MISSING_TYPE):
            continue
        flag = spec.metadata["flag"] or "--" + spec.name.replace("_", "-")
        shown = (
            f"{spec.metadata['help']} (default: {spec.default})" if spec.default is not None else spec.metadata["help"]
        )
        extra: dict[str, Any] = {
            "dest": f"{section}.{spec.metadata.get('key') or spec.name}",
            "default": None,
            "help": shown.replace("%", "%%"),
        }
        if hints[spec.name] is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **extra)
            continue
        kinds = [part for part in (typing.get_args(hints[spec.name]) or (hints[spec.name],)) if part is not type(None)]
        group.add_argument(flag, type=kinds[0], choices=spec.metadata["choices"], metavar=spec.name.upper(), **extra)
        if spec.name == "if_exists":
            for short in ("overwrite", "append"):
                group.add_argument(
                    f"--{short}", action="store_const", const=short, dest=extra["dest"], help=f"--if-exists {short}"
                )


def _anchored(tables: dict[str, dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the tables with values that start with ./ or ../ taken from the file's own folder."""

    def anchor(value: Any) -> Any:
        return str((folder / value).resolve()) if isinstance(value, str) and value.startswith(("./", "../")) else value

    return {name: {key: anchor(value) for key, value in table.items()} for name, table in tables.items()}
