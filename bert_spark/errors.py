"""The errors users meet. Each message says what was got, what was expected and what to change; none holds a text."""

from __future__ import annotations


class BertSparkError(Exception):
    """Base of every error raised on purpose. `exit_code` is what a job returns when it ends with this error."""

    exit_code = 1


class ConfigError(BertSparkError, ValueError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 2


class TextError(BertSparkError, ValueError):
    """A text is missing, or is no string, where one is required."""


class DataError(BertSparkError, ValueError):
    """A table, column or file is not what the settings say."""


class EmptyInputError(DataError):
    """An input holds no record, nor anything that would tell its columns."""


class ModelError(BertSparkError, RuntimeError):
    """A model can't be found, verified or used as asked."""


class ArtefactError(BertSparkError, RuntimeError):
    """A trained artefact can't be saved, or is not to be trusted on loading."""


class FingerprintError(BertSparkError, ValueError):
    """Vectors of two different encoders would meet."""


class SetupError(BertSparkError, RuntimeError):
    """The machine, the Python environment or the Spark configuration can't do this job."""

    exit_code = 3


class LockedError(BertSparkError, RuntimeError):
    """Another run is at work on the same output."""


class LimitError(BertSparkError, RuntimeError):
    """A result is outside the limits that were set for it; it was not published."""

    exit_code = 4


class NoInputError(BertSparkError, RuntimeError):
    """There was nothing to do where something was required."""

    exit_code = 5


class DeviceError(BertSparkError, RuntimeError):
    """A GPU failed in a way that no process recovers from; the process that raises this is to end."""
