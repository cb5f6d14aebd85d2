"""Decide which column of an input holds the text, if the one that is set is the default and is not there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from pyspark.sql import types as T

from bert_spark.tables.config import InputConfig
from bert_spark.tables.provenance import TEXT_KEY
from bert_spark.tables.references import find_columns, has_column
from bert_spark.tables.schema import Table, check_text_column, table_columns
from bert_spark.tables.stored_vectors import vector_columns

_DEFAULT = InputConfig().text_column
_STRINGS = (T.StringType, T.VarcharType, T.CharType)


def with_text_column(table: Table, config: InputConfig, others: Collection[str | None] = ()) -> InputConfig:
    """Return the settings of an input with the column of its texts.

    A column that is set must be there. If none is set and there is no column "text", it is the column whose texts the
    input's vectors are of, or else the only column of strings.

    Parameters
    ----------
    table, config
        The input and its settings.
    others
        Columns of the input that hold something else, such as labels.

    Raises
    ------
    DataError
        If there is no such column, or it is not a column of strings.
    """
    if config.text_column != _DEFAULT or has_column(table.schema, _DEFAULT):
        check_text_column(table, config.text_column)
        return config
    found = _embedded_texts(table) or _only_strings(table, [config.id_column, *others])
    if found is None:
        check_text_column(table, config.text_column)  # raises: it is not there
        return config
    check_text_column(table, found)
    return dataclasses.replace(config, text_column=found)


def _embedded_texts(table: Table) -> str | None:
    """Return the column whose texts the vectors of an output of jobs/embed.py are of."""
    names = {str(field.metadata[TEXT_KEY]) for field in vector_columns(table.schema) if TEXT_KEY in field.metadata}
    known = [name for name in names if has_column(table.schema, name)]
    return known[0] if len(known) == 1 else None


def _only_strings(table: Table, others: Collection[str | None]) -> str | None:
    taken = {path[0] for reference in others if reference for path in find_columns(table.schema, reference)}
    strings = [
        name for name in table_columns(table) if isinstance(table.schema[name].dataType, _STRINGS) and name not in taken
    ]
    return strings[0] if len(strings) == 1 else None
