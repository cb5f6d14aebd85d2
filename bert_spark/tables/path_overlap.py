"""Tell whether an output and an input share files, from their addresses alone."""

from __future__ import annotations

import os
import posixpath
import re

_WILDCARD = re.compile(r"[*?\[{\\]")  # of Hadoop's patterns


def paths_overlap(output: str, source: str) -> bool:
    """Tell whether an output is the input, holds it, or lies in it.

    Parameters
    ----------
    output
        Address of the output, e.g. "file:/data/scores".
    source
        Address of the input. It may be a pattern. It overlaps the output if any path that the pattern allows does.
    """
    storage, path = split_address(output)
    own_parts = _parts(path)
    for alternative in _without_braces(source):
        other_storage, other = split_address(alternative)
        if storage == other_storage and all(map(_matches, own_parts, _parts(other))):
            return True
    return False


def literal_prefix(pattern: str) -> str:
    """Return the folders of a pattern that stand before its first wildcard; the whole path if it has none."""
    wildcard = _WILDCARD.search(pattern)
    return pattern if wildcard is None else pattern[: pattern.rfind("/", 0, wildcard.start()) + 1]


def split_address(address: str) -> tuple[str, str]:
    """Return the storage of an address, e.g. "s3://bucket", and the path in it.

    Doubled slashes, "." and ".." are resolved. So are the symbolic links of a local path.
    """
    found = re.match(r"(?:([a-z][a-z0-9+.-]*):(?://([^/]*))?)?(.*)", address, re.DOTALL)
    assert found is not None  # the pattern also matches an empty address
    scheme, authority, path = found.groups()
    if scheme in (None, "file"):
        prefix = literal_prefix(path)
        resolved = os.path.realpath(prefix or ".")
        rest = path[len(prefix) :]
        return "file", posixpath.normpath(f"{resolved}/{rest}") if rest else resolved
    return f"{scheme}://{authority or ''}", posixpath.normpath(f"/{path.lstrip('/')}")


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _without_braces(pattern: str) -> list[str]:
    """Return the patterns that one with alternatives stands for: "a/{b,c}" is "a/b" and "a/c"."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [path for choice in braces[1].split(",") for path in _without_braces(before + choice + after)]


def _matches(name: str, pattern: str) -> bool:
    """Tell whether the name of a file or folder matches one part of a pattern."""
    parts = re.findall(r"\\.|\[[^\]]*\]|.", pattern, re.DOTALL)
    return re.fullmatch("".join(map(_as_regex, parts)), name, re.DOTALL) is not None


def _as_regex(part: str) -> str:
    if part in "*?":
        return ".*" if part == "*" else "."
    if part.startswith("[") and len(part) > 2:
        inside = part[1:-1].replace("\\", "\\\\")
        return f"[^{inside[1:]}]" if inside[0] in "^!" else f"[{inside}]"
    return re.escape(part[1:] if len(part) == 2 and part[0] == "\\" else part)
