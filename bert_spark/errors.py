"""The exceptions that users meet.

Each message says what was got, what was expected and what to change. No message holds a text of the data.
"""

from __future__ import annotations


class BertSparkError(Exception):
    """Base of the package's own exceptions. A job that ends with one of them returns its `exit_code`."""

    exit_code = 1


class ConfigError(BertSparkError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 2


class TextError(BertSparkError, ValueError):
    """A text is missing or is not a string."""


class DataError(BertSparkError, ValueError):
    """A table, column or file does not match the settings."""


class EmptyInputError(DataError):
    """An input holds no record and nothing that names its columns."""


class ModelError(BertSparkError, RuntimeError):
    """A model cannot be found, verified or used with these settings."""


class ArtefactError(BertSparkError, RuntimeError):
    """An artefact cannot be saved, or is damaged or not trusted on loading."""


class FingerprintError(BertSparkError, ValueError):
    """Vectors of two different encoders would be mixed."""


class SetupError(BertSparkError, RuntimeError):
    """The machine, the Python environment or the Spark configuration cannot run this job."""

    exit_code = 3


class LockedError(BertSparkError, RuntimeError):
    """Another run is writing to the same output."""


class LimitError(BertSparkError, RuntimeError):
    """A result is outside its limits and was not published."""

    exit_code = 4


class NoInputError(BertSparkError, RuntimeError):
    """There is no input, and the settings require some."""

    exit_code = 5


class DeviceError(BertSparkError, RuntimeError):
    """A GPU failed in a way that this process cannot recover from. The process must end."""
