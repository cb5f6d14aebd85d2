"""Declare a settings dataclass, check its values, and fill it from TOML. Knows no particular setting."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from bert_spark.errors import ConfigError

T = TypeVar("T")
# TOML keys whose values are paths: those that start with a dot are relative to the folder of their TOML file.
PATH_KEYS = ("path", "output", "model", "embeddings", "artefact", "reuse", "work", "checkpoint")


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    aliases: tuple[str, ...] = (),
    choices: tuple[str, ...] | None = None,
    key: str | None = None,
) -> Any:
    """Declare one field of a settings dataclass.

    Parameters
    ----------
    default
        Its default value.
    help
        What `--help` prints.
    flag
        Command-line option, if it is not ``--`` and the field's name.
    aliases
        Other names of the command-line option.
    choices
        The allowed values.
    key
        TOML key, if it is not the field's name.
    """
    metadata = {"help": help, "flag": flag, "aliases": aliases, "choices": choices, "key": key}
    return field(default=default, metadata=metadata)


def toml_key(spec: dataclasses.Field[Any]) -> str:
    """Return the TOML key of a field that `option` declares."""
    return str(spec.metadata.get("key") or spec.name)


def at_least(config: Any, **bounds: int) -> None:
    """Raise ConfigError if a field of `config` is below its bound."""
    for name, bound in bounds.items():
        if getattr(config, name) < bound:
            raise ConfigError(f"{name}={getattr(config, name)} is too small; expected {bound} or more")


def check_fields(config: Any) -> None:
    """Raise ConfigError if the value of a field does not have the declared type or is not one of its choices."""
    hints = typing.get_type_hints(type(config))
    for spec in dataclasses.fields(config):
        value, hint = getattr(config, spec.name), hints[spec.name]
        if not _fits(value, hint):
            expected = getattr(hint, "__name__", str(hint))
            raise ConfigError(f"{spec.name}={value!r} is a {type(value).__name__}; expected {expected}")
        choices = spec.metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(f"{spec.name}={value!r} is unknown; known are {list(choices)}")


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    if kind is Any or not isinstance(kind, type):
        return True
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is tuple:  # of texts; TOML has lists
        return isinstance(value, (tuple, list)) and all(isinstance(part, str) for part in value)
    return isinstance(value, (int, float) if kind is float else kind)


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the settings dataclass `kind` from a TOML table.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is refused. The message lists the known keys.
    """
    specs = [spec for spec in dataclasses.fields(kind) if spec.init and spec.metadata]  # type: ignore[arg-type]
    known = {toml_key(spec): spec.name for spec in specs}
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{where}: unknown {unknown}; known are {list(known)}")
    try:
        return kind(**{known[name]: _as_declared(hints[known[name]], value) for name, value in values.items()})
    except ConfigError as err:
        raise ConfigError(f"{where}: {err}") from err


def _as_declared(hint: Any, value: Any) -> Any:
    """Return a value of TOML as its field holds it: a list, or one text alone, as a tuple."""
    if typing.get_origin(hint) is tuple and isinstance(value, (str, list)):
        return (value,) if isinstance(value, str) else tuple(value)
    return value


def read_toml(path: str | Path, sections: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the tables of a TOML file.

    Raises
    ------
    ConfigError
        If the file is absent or is not TOML, or if a table is not one of `sections`.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"config file {str(path)!r} can't be read: {err.strerror}; give another --config") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"config file {str(path)!r} is not valid TOML: {err}") from err
    unknown = sorted(name for name in tables if name not in sections or not isinstance(tables[name], dict))
    if unknown:
        raise ConfigError(f"{path}: unknown table {unknown}; known are {list(sections)}")
    return tables


@dataclasses.dataclass(frozen=True)
class JobSettings:
    """A job's settings, by section of the TOML file: `job.input`, `job.encoder` and so on.

    Attributes
    ----------
    name
        The job's name, such as "embed".
    sections
        Section name -> settings dataclass. "check" says whether `--check` was passed, "spark" holds Spark's settings.
    """

    name: str
    sections: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.sections[name]
        except KeyError:
            raise AttributeError(name) from None

    def required(self, setting: str, option: str) -> Any:
        """Return the value of a setting, "section.field".

        Raises
        ------
        ConfigError
            If it is not set; the message names the option that sets it.
        """
        section, _, field_name = setting.partition(".")
        value = getattr(self.sections[section], field_name)
        if value in (None, ()):
            raise ConfigError(f"{option} is not set; pass it, or set it in the file of --config")
        return value


def as_options(config: Any) -> list[str]:
    """Return the command-line options that set what differs from its default in a settings dataclass."""
    words: list[str] = []
    for spec in dataclasses.fields(config):
        value = getattr(config, spec.name)
        if not spec.metadata or value == spec.default or isinstance(spec.default, dataclasses._MISSING_TYPE):
            continue
        flag = spec.metadata["flag"] or "--" + spec.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            values = value if isinstance(value, tuple) else [value]
            words += [word for one in values for word in (flag, str(one))]
    return words


def settings_of(config: Any, newer: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of a dataclass that TOML and JSON can hold, for records and metadata.

    Parameters
    ----------
    config
        The dataclass.
    newer
        Settings that earlier versions did not have. At their defaults they are left out, so that what those versions
        wrote stays equal.
    """
    stored = [spec for spec in dataclasses.fields(config) if spec.metadata]
    return {
        spec.name: getattr(config, spec.name)
        for spec in stored
        if spec.name not in newer or getattr(config, spec.name) != spec.default
    }
