"""Name artefacts by their folders, so that their columns can be told apart. Imports the standard library only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from bert_spark.errors import ConfigError


def names_of_folders(folders: Sequence[str]) -> dict[str, str]:
    """Return name -> folder. One folder alone has the name "".

    A name is the last part of the paths that differs from folder to folder: "emotion" and "topic" for
    ``models/emotion/artefact`` and ``models/topic/artefact``. If no single part tells all of them apart, a name is all
    parts that differ, joined by "_". What is neither a letter, a digit nor "_" becomes "_".

    Raises
    ------
    ConfigError
        If folders get the same name, as one that is given twice does.
    """
    if len(folders) == 1:
        return {"": folders[0]}
    parts = [re.split(r"[/\\]+", folder.rstrip("/\\"))[::-1] for folder in folders]  # the last part first
    levels = list(itertools.zip_longest(*([re.sub(r"\W", "_", part) for part in path] for path in parts), fillvalue=""))
    telling = [list(level) for level in levels if all(level) and _all_differ(level)]
    differing = [level for level in levels if len(set(level)) > 1]
    joined = [
        "_".join(filter(None, (level[n] for level in reversed(differing)))) or levels[0][n] for n in range(len(parts))
    ]
    names = telling[0] if telling else joined
    if not _all_differ(names):
        raise ConfigError(
            f"got the artefacts {list(folders)}, whose columns would have the names {names}; give each one once, in "
            "folders whose names differ"
        )
    return dict(zip(names, folders, strict=True))


def _all_differ(names: Sequence[str]) -> bool:
    """Tell whether all names differ. Case is ignored, as Spark does for columns."""
    return len({name.lower() for name in names}) == len(names)
