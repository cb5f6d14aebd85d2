"""Which versions of everything a result was made with."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

VERSION = "0.2.0"  # pyproject.toml's; a checkout that is not installed has no metadata to ask
_PACKAGES = (
    *("joblib", "numpy", "pandas", "pyarrow", "pyspark", "safetensors", "scikit-learn", "scipy", "skops"),
    *("tokenizers", "torch", "transformers"),
)


def versions() -> dict[str, str]:
    """Return the installed versions of Python and of the packages that decide a result."""
    return {"bert-spark": VERSION, "python": platform.python_version(), **installed(_PACKAGES)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, "not installed" for what is not there."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
