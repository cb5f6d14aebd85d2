"""The versions of the packages that a result depends on."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

VERSION = "0.2.0"  # as in pyproject.toml: a checkout that is not installed has no package metadata
_PACKAGES = (
    *("joblib", "numpy", "pandas", "pyarrow", "pyspark", "safetensors", "scikit-learn", "scipy", "skops"),
    *("tokenizers", "torch", "transformers"),
)


def versions() -> dict[str, str]:
    """Return the installed versions of Python and of the packages that a result depends on."""
    return {"bert-spark": VERSION, "python": platform.python_version(), **installed(_PACKAGES)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package, or "not installed"."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
