"""Which versions of everything a result was made with."""

from __future__ import annotations

import platform
from importlib import metadata

_PACKAGES = (
    *("bert-spark", "joblib", "numpy", "pandas", "pyarrow", "pyspark", "safetensors", "scikit-learn", "scipy", "skops"),
    *("tokenizers", "torch", "transformers"),
)


def versions() -> dict[str, str]:
    """Return the installed versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
