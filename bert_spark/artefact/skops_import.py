"""Import skops without torch.

skops lists the estimators of scikit-learn when it is imported. For that, scikit-learn imports all of its packages, and
one of them imports torch: seconds and 200 MB in each process that scores vectors and runs no model.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_IMPORTS_TORCH = "sklearn.externals.array_api_compat.torch"  # scikit-learn needs it for estimators of tensors only


def import_skops_io() -> Any:
    """Return the module skops.io. If its import needs torch on the way, it does without."""
    modules: dict[str, Any] = sys.modules
    if "torch" in modules or _IMPORTS_TORCH in modules:
        return importlib.import_module("skops.io")
    modules[_IMPORTS_TORCH] = None  # its import now raises ImportError, as it does where torch is not installed
    try:
        return importlib.import_module("skops.io")
    finally:
        del modules[_IMPORTS_TORCH]
