"""Refuse the address of an output by its spelling alone. Needs neither Spark nor the storage."""

from __future__ import annotations

import posixpath
import re

from bert_spark.errors import ConfigError
from bert_spark.tables.config import DATE_PLACEHOLDER, InputConfig, OutputConfig
from bert_spark.tables.input_format import input_format
from bert_spark.tables.path_overlap import paths_overlap


def check_output_address(output: OutputConfig, source: InputConfig) -> None:
    """Check that an output has an address, and that it is not the input's.

    Raises
    ------
    ConfigError
        If there is none, if it is not a table name where one is needed, or if it is spelt like the input, a folder
        above it or a folder below it.
    """
    if output.path is None:
        raise ConfigError("no output given; pass --output, or set [output] path")
    if output.format == "table":
        if "/" in output.path:
            raise ConfigError(f"output {output.path!r} is not a table name; expected a name such as main.tweets.scores")
        if output.path == source.path:
            raise ConfigError(f"output {output.path!r} is the input; pass another --output")
        return
    if posixpath.basename(output.path.rstrip("/")) in ("", ".", ".."):
        raise ConfigError(f"output {output.path!r} does not end with the name of a folder; pass a new folder's path")
    if is_path(source) and paths_overlap(_in_one_folder(output.path), _in_one_folder(path_pattern(source))):
        raise overlap_error(output, source)


def is_path(source: InputConfig) -> bool:
    """Tell whether the input is named by a path, and not by the name of a table."""
    return source.path is not None and input_format(source) != "table"


def path_pattern(source: InputConfig) -> str:
    """Return the path of the input with `*` in place of the day."""
    return str(source.path).replace(DATE_PLACEHOLDER, "*")


def overlap_error(output: OutputConfig, source: InputConfig) -> ConfigError:
    """Return the error for an output that shares files with the input."""
    return ConfigError(
        f"output {output.path!r} is the input {source.path!r}, holds it, or lies in it; pass an --output outside the "
        "input"
    )


def _in_one_folder(path: str) -> str:
    """Return a path without a scheme as one of an unknown storage, a relative one as below an unknown folder."""
    if re.match(r"[a-z][a-z0-9+.-]*:", path):
        return path
    return f"unknown://absolute{path}" if path.startswith("/") else f"unknown://relative/{path}"
