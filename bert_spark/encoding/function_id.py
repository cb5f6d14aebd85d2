"""Name a function by its code and the values it holds, so that a changed function is a different encoder."""

from __future__ import annotations

import hashlib
import pickle
import types
from collections.abc import Callable
from typing import Any


def function_id(function: Callable[..., Any]) -> str:
    """Return "module.name#digest". The digest changes with the function's code, defaults, closure and bound object."""
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    code = getattr(function, "__code__", None)
    bound_values = [getattr(function, "__self__", None), *(getattr(function, "__defaults__", None) or ())]
    bound_values += (getattr(function, "__kwdefaults__", None) or {}).values()
    bound_values += [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    others = (value for value in bound_values if value is not function)  # a recursive function is in its own closure
    parts = [_value_content(function)] if code is None else [_code_content(code).encode(), *map(_value_content, others)]
    return f"{name}#{hashlib.sha256(b'|'.join(parts)).hexdigest()[:12]}"


def _code_content(code: types.CodeType) -> str:
    constants = [_code_content(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    # a frozenset prints in an order that depends on the process: sort its characters
    constants = ["".join(sorted(text)) if text.startswith("frozenset") else text for text in constants]
    return repr((code.co_code, constants, code.co_names))


def _value_content(value: Any) -> bytes:
    if hasattr(value, "__code__"):
        return function_id(value).encode()
    try:
        return pickle.dumps(value)
    except Exception:  # a value that cannot be pickled is identified by its repr, which may hold its address
        return repr(value).encode()
