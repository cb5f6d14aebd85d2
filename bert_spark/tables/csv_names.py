"""Name the columns of csv files: by their header, by `--columns`, or by position. Knows nothing of Spark."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from bert_spark.errors import DataError
from bert_spark.tables.config import InputConfig

Record = Sequence[str | None]

_NUMBER = re.compile(r"[-+]?\d[\d.,:/ -]*$")  # also a date or a time
_LONGEST_NAME, _MOST_WORDS = 60, 3


def column_names(config: InputConfig, first: Record, folder_columns: Collection[str] = ()) -> list[str]:
    """Return a name for each column of csv files. No two of them differ in case only, which Spark could not read.

    A column without a name is `_c` and its position, as Spark names it. A doubled name gets `_2`, `_3`.

    Parameters
    ----------
    config
        The settings of the input.
    first
        The values of the first record: the header, if the files have one.
    folder_columns
        Columns that Spark makes from the names of folders. They keep their names.

    Raises
    ------
    DataError
        If `--columns` has another number of names.
    """
    if config.columns is None:
        return _unique_names(first if config.has_header else [None] * len(first), folder_columns)
    if len(config.column_names) != len(first):
        raise DataError(
            f"--columns has {len(config.column_names)} names, and the first record of {config.path!r} has "
            f"{len(first)} columns (--delimiter {config.delimiter!r})"
        )
    return _unique_names(config.column_names, folder_columns)


def _unique_names(header: Record, folder_columns: Collection[str]) -> list[str]:
    used = {name.lower() for name in folder_columns}
    in_header = {name.lower() for name in header if name}
    names = []
    for position, name in enumerate(header):
        unique, number = name or f"_c{position}", 2
        while unique.lower() in used or (unique != name and unique.lower() in in_header):
            unique, number = f"{name or f'_c{position}'}_{number}", number + 1
        used.add(unique.lower())
        names.append(unique)
    return names


def renamed_columns(header: Record, names: Sequence[str]) -> list[str]:
    """Describe the columns whose names differ from those in the header."""
    return [
        f"column {position + 1} ({f'a second {name!r}' if name else 'without a name'}) is read as {unique!r}"
        for position, (name, unique) in enumerate(zip(header, names, strict=True))
        if name != unique
    ]


def same_header(one: Record, other: Record) -> bool:
    """Tell whether two headers name the same columns in the same order. Case is ignored, as Spark does."""
    return [(name or "").lower() for name in one] == [(name or "").lower() for name in other]


def looks_like_data(first: Record, following: Sequence[Record]) -> bool:
    """Tell whether the first record of a file looks like data: like no name, or like a value of its own column.

    Parameters
    ----------
    first
        The first record.
    following
        Some records after it.
    """
    if any(_is_value(name, position) for position, name in enumerate(first) if name):
        return True
    others = [record for record in following if len(record) == len(first) and not same_header(record, first)]
    return any(name and any(record[n] == name for record in others) for n, name in enumerate(first))


def _is_value(name: str, position: int) -> bool:
    if _NUMBER.match(name):
        return name not in (str(position), str(position - 1))  # pandas numbers columns without a name
    words = name.split()
    if len(name) > _LONGEST_NAME or len(words) > _MOST_WORDS or any(word.startswith("@") for word in words):
        return True
    return "://" in name or any(unicodedata.category(letter) == "So" for letter in name)
