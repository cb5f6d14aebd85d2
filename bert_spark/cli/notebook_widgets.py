"""Turn a notebook's widgets into options of the jobs, and provide `spark`, `dbutils` and `display` outside Databricks.

Knows nothing of what the settings mean.
"""

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
    """Return the values of widgets as options of a job. An empty widget gives no option.

    Parameters
    ----------
    widgets
        ``dbutils.widgets``.
    names
        Names of widgets, which are names of options with ``_`` in place of ``-``. The values true and false switch the
        option on and off.
    """
    values = {name.replace("_", "-"): widgets.get(name).strip() for name in names}
    return [_SWITCH.get(value, f"--{{}}={value}").format(name) for name, value in values.items() if value]


class ScriptWidgets:
    """A stand-in for ``dbutils.widgets`` in a script. A widget has its default, or the value of a NAME=VALUE argument.

    Parameters
    ----------
    arguments
        The command line, each of the form NAME=VALUE.

    Raises
    ------
    ConfigError
        If an argument is not of the form NAME=VALUE.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        malformed = [argument for argument in arguments if "=" not in argument]
        if malformed:
            raise ConfigError(f"got {malformed}; expected NAME=VALUE, with the names of the notebook's widgets")
        self._arguments = dict(argument.split("=", 1) for argument in arguments)
        self._values: dict[str, str] = {}

    def text(self, name: str, default: str, label: str | None = None) -> None:
        """Declare a widget."""
        self._values[name] = self._arguments.get(name, default)

    def dropdown(self, name: str, default: str, choices: Sequence[str], label: str | None = None) -> None:
        """Declare a widget that has one of these choices."""
        self.text(name, default)
        if self._values[name] not in choices:
            raise ConfigError(f"{name}={self._values[name]!r} is unknown; known are {list(choices)}")

    def get(self, name: str) -> str:
        """Return a widget's value. All widgets must be declared before the first call."""
        unknown = sorted(set(self._arguments) - set(self._values))
        if unknown:
            raise ConfigError(f"there are no widgets {unknown}; known are {list(self._values)}")
        return self._values[name]


def outside_databricks(arguments: Sequence[str]) -> tuple[SparkSession, Any, Any]:
    """Return `spark`, `dbutils` and `display` for a notebook that runs as a script with these arguments."""
    return build_session("bert_spark notebook", {}), SimpleNamespace(widgets=ScriptWidgets(arguments)), show_table


def show_table(df: DataFrame) -> None:
    """Print the first rows of a table."""
    df.show()
