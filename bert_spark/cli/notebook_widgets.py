"""A notebook's widgets as options of the jobs; outside Databricks, stand-ins for what its notebooks find there. Knows
nothing of what the settings mean."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bert_spark.errors import ConfigError
from bert_spark.spark.session import build_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_SWITCH = {"true": "--{}", "false": "--no-{}"}


def widget_options(widgets: Any, *names: str) -> list[str]:
    """Return the values of widgets as options of a job: what is empty is left to the job's default.

    Parameters
    ----------
    widgets
        ``dbutils.widgets``.
    names
        Of widgets: an option's name with ``_`` in place of ``-``. The values true and false switch it on and off.
    """
    values = {name.replace("_", "-"): widgets.get(name).strip() for name in names}
    return [_SWITCH.get(value, f"--{{}}={value}").format(name) for name, value in values.items() if value]


class ScriptWidgets:
    """What ``dbutils.widgets`` is for a script: each widget's default, or NAME=VALUE of the command line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        odd = [argument for argument in arguments if "=" not in argument]
        if odd:
            raise ConfigError(f"got {odd}; expected NAME=VALUE, by the names of the notebook's widgets")
        self._given = dict(argument.split("=", 1) for argument in arguments)
        self._values: dict[str, str] = {}

    def text(self, name: str, default: str, label: str | None = None) -> None:
        """Declare a widget."""
        self._values[name] = self._given.get(name, default)

    def dropdown(self, name: str, default: str, choices: Sequence[str], label: str | None = None) -> None:
        """Declare a widget of some choices."""
        self.text(name, default)
        if self._values[name] not in choices:
            raise ConfigError(f"{name}={self._values[name]!r} is unknown; known are {list(choices)}")

    def get(self, name: str) -> str:
        """Return a widget's value; all are declared before the first is read."""
        unknown = sorted(set(self._given) - set(self._values))
        if unknown:
            raise ConfigError(f"there are no widgets {unknown}; known are {list(self._values)}")
        return self._values[name]


def outside_databricks(arguments: Sequence[str]) -> tuple[SparkSession, Any, Any]:
    """Return `spark`, `dbutils` and `display` for a notebook that runs as a plain script."""
    return build_session("bert_spark notebook", {}), SimpleNamespace(widgets=ScriptWidgets(arguments)), show_table


def show_table(df: DataFrame) -> None:
    """Print the first rows of a table."""
    df.show()
