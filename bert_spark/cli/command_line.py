"""From a command line and a TOML file to a job's settings, and from a job's end to an exit code."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import re
import sys
import typing
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from bert_spark.errors import BertSparkError, ConfigError
from bert_spark.settings import JobSettings, from_mapping, read_toml

logger = logging.getLogger(__name__)

# A value of the data in a message of Spark's or Java's: one may hold quotes and line ends
_VALUE = re.compile(r"""((?:The value|Text) (['"])).*?(?=\2(?: of the type| could not be parsed))""", re.DOTALL)
SECTIONS = (
    *("input", "encoder", "output", "embed", "train", "head", "search", "score", "scores", "schedule", "limits"),
    "history",
    "spark",
)


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse ends the process: a notebook is to survive a wrong option."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help lists the options")


def parse_job(doc: str, kinds: Mapping[str, type], default: Path, argv: list[str] | None = None) -> JobSettings:
    """Read a job's settings: options override the TOML file, which overrides the defaults.

    Parameters
    ----------
    doc
        The job's docstring, printed by --help.
    kinds
        Section name -> settings dataclass.
    default
        The TOML file that is read when there are no options at all; a checkout has it, the wheel has not.
    argv
        Command line without the program's name; the process's own by default.

    Raises
    ------
    ConfigError
        For an unknown key or option, a bad value, or no options where there is no such file.
    """
    parser = _Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="look whether all executors can do the work, and stop")
    parser.add_argument(
        "--config", help=f"TOML file; with no options at all, {default}" if default.exists() else "TOML file"
    )
    for section, kind in kinds.items():
        _add_options(parser.add_argument_group(section), section, kind)
    argv = sys.argv[1:] if argv is None else argv
    given = vars(parser.parse_args(argv))
    check = given.pop("check")
    path = given.pop("config") or (str(default) if argv in ([], ["--check"]) else None)
    if path == str(default) and not default.exists():
        raise ConfigError("no options given, and no checkout here whose conf/local.toml would be read; see --help")
    tables = _anchored(read_toml(path, SECTIONS), Path(path).parent) if path else {}
    options = {name: value for name, value in given.items() if value is not None}
    settings: dict[str, Any] = {
        "check": check,
        "spark": {key: str(value) for key, value in tables.get("spark", {}).items()},
    }
    for section, kind in kinds.items():
        mine = {name.split(".")[1]: value for name, value in options.items() if name.startswith(f"{section}.")}
        settings[section] = from_mapping(kind, {**tables.get(section, {}), **mine}, f"[{section}]")
    return JobSettings(settings)


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


def required_option(value: Any, option: str) -> Any:
    """Return `value`, or raise ConfigError that names the option which gives it."""
    if value is None:
        raise ConfigError(f"{option} is not given; pass it, or set it in the file of --config")
    return value


def run_job(story: Callable[[], object]) -> int:
    """Run a job and return its exit code: 0 done, 1 failed, 2 usage, 3 environment, 4 outside limits, 5 no input;
    the reason goes to the log."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("py4j", "pyspark", "httpx", "httpx2", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("SQLQueryContextLogger").disabled = True  # PySpark's: what is said below, values of the data too
    # the pairs of versions that the tests run with are in conf/
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    try:
        story()
    except BertSparkError as err:
        logger.error("%s: %s", type(err).__name__, err)
        return err.exit_code
    except Exception as err:
        if not type(err).__module__.startswith(("pyspark", "py4j")):
            raise
        logger.error("Spark failed: %s", java_causes(str(err)))
        return 1
    return 0


def java_causes(message: str) -> str:
    """Return what a Java stack says went wrong: its first line and causes, without the frames, and without values of
    the data, which Spark names where a view that is the input fails to cast one.
    """
    lines = [line.strip() for line in _VALUE.sub(r"\1...", message).splitlines()]
    told = [line for line in lines if line and not line.startswith(("at ", "...")) and "Driver stacktrace" not in line]
    return "\n".join(dict.fromkeys(told[:20]))
