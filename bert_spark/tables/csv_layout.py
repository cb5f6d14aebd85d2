"""Look at the first lines of csv files to know how all of them are read: the names of the columns and the dialect.

Reads the beginning of each file, never the whole of one. Refuses files whose headers differ.
"""

from __future__ import annotations

import itertools
import logging
import posixpath
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F
from pyspark.sql import types as T

from bert_spark.errors import DataError, EmptyInputError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.csv_dialect import (
    LONGEST_LINE,
    csv_options,
    escapes_by_backslash,
    every_line_is_a_record,
    line_options,
)
from bert_spark.tables.csv_names import Record, column_names, looks_like_data, renamed_columns, same_header
from bert_spark.tables.input_size import literal_paths
from bert_spark.tables.references import has_column
from bert_spark.tables.schema import MALFORMED_COLUMN

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

_SAMPLED_LINES, _SAMPLED_RECORDS = 1000, 50
_PARALLEL_FILES = 8


@dataclass(frozen=True)
class CsvLayout:
    """How the csv files of an input are read.

    Parameters
    ----------
    names
        Names of the columns in the files.
    folder_columns
        Names of the columns that Spark makes from the names of folders.
    names_are_headers
        Whether the names are exactly those in the files. Spark then compares them again while it reads a file.
    escape
        Character before a quote inside quotes.
    one_line_a_record
        Whether each of the first lines is a record if quotes are part of the texts.
    """

    names: tuple[str, ...]
    folder_columns: tuple[str, ...] = ()
    names_are_headers: bool = True
    escape: str = ""
    one_line_a_record: bool = False

    @property
    def schema(self) -> T.StructType:
        """The columns, all strings so that ids keep their digits, with the column of malformed records."""
        return _strings(*self.names, *self.folder_columns, MALFORMED_COLUMN)


def csv_reader_options(config: InputConfig, layout: CsvLayout | None = None) -> dict[str, str]:
    """Return Spark's reader options for the csv files of an input; without a layout, as if nothing is known of them."""
    layout = layout or CsvLayout((), names_are_headers=config.columns is None)
    return csv_options(config, layout.escape) | {
        "header": str(config.has_header).lower(),
        "enforceSchema": str(not layout.names_are_headers).lower(),  # "true": columns are taken by their position
    }


def csv_layout(spark: SparkSession, config: InputConfig, paths: Sequence[str] = (), **options: str) -> CsvLayout:
    """Return the layout of the csv files of an input, or of some of its files.

    What it decided for the user is said in the log, without a text of the data.

    Parameters
    ----------
    spark, config
        The session and the input.
    paths
        Files to look at; by default the whole input.
    options
        More options of Spark's reader.

    Raises
    ------
    EmptyInputError
        If no file holds a record.
    DataError
        If the files have different headers, or if their first line holds data instead of the text column's name.
    """
    target = list(paths) or str(config.path)
    lines = _first_lines(spark, config, target)
    escape = "\\" if escapes_by_backslash(lines, config) else ""
    if escape:
        logger.warning("%r has backslashes before quotes, as Spark writes csv: read with --escape '\\'", config.path)
    positions = spark.read.options(**csv_options(config, escape), **options).csv(target)  # columns _c0, _c1, ...
    own = [name for n, name in enumerate(positions.columns) if name == f"_c{n}"]
    folder_columns = positions.columns[len(own) :]
    records = _first_records(spark, config, escape, positions.inputFiles(), len(own)) if own else []
    if not records:
        if not config.has_header:
            raise EmptyInputError(f"{str(config.path)!r} holds no records")
        raise EmptyInputError(f"{str(config.path)!r} is empty; expected a first line with the names of the columns")
    file, (first, *following) = records[0]
    names = column_names(config, first, folder_columns)
    if config.has_header:
        _check_headers(config, file, records, first)
    if config.columns is None and config.has_header:
        _check_names(config, [*names, *folder_columns], first, following)
        for renamed in renamed_columns(first, names):
            logger.warning("csv header of %r: %s", config.path, renamed)
    return CsvLayout(
        tuple(names),
        tuple(folder_columns),
        names_are_headers=names == list(first),
        escape=escape,
        one_line_a_record=every_line_is_a_record(lines, config, len(own)),
    )


def _first_lines(spark: SparkSession, config: InputConfig, target: str | list[str]) -> list[str]:
    lines = spark.read.schema("line string").options(**line_options(config)).csv(target).limit(_SAMPLED_LINES)
    return [row[0] for row in lines.select(F.substring("line", 1, LONGEST_LINE)).collect() if row[0]]


def _first_records(
    spark: SparkSession, config: InputConfig, escape: str, files: Iterable[str], columns: int
) -> list[tuple[str, list[Record]]]:
    """Return (file, its first records) of each file that holds one: 50 of the first file, one of the others.

    A record with another number of columns is empty. Without a header the other files are not read.
    """
    reader_options = csv_options(config, escape)
    schema = _strings(*(f"_c{n}" for n in range(columns)), MALFORMED_COLUMN)

    def read(file: str, count: int) -> list[Record]:
        rows = spark.read.schema(schema).options(**reader_options).csv(literal_paths([file])).take(count)
        return [() if row[-1] is not None else tuple(row)[:-1] for row in rows]

    remaining = deque(sorted(files))
    records: list[tuple[str, list[Record]]] = []
    while remaining and not (records and records[0][1][0]):
        file = remaining.popleft()
        if found := read(file, _SAMPLED_RECORDS):
            records.insert(0, (file, found))
    if config.has_header and remaining:
        with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
            others = zip(remaining, pool.map(read, remaining, itertools.repeat(1)), strict=True)
            records += [(file, found) for file, found in others if found]
    return records


def _check_headers(
    config: InputConfig, file: str, records: Sequence[tuple[str, Sequence[Record]]], header: Record
) -> None:
    """Raise DataError if the files have different headers. The message quotes none of them: it may be data."""
    others = [other for other, first in records if not same_header(first[0], header)]
    if others:
        raise DataError(
            f"{len(others)} files of {config.path!r}, such as {_name(others[0])}, have other columns than "
            f"{_name(file)}, or the same in another order. Nothing was read; correct them, or read them as an input of "
            "their own. If the first lines hold data, set --no-header"
        )


def _check_names(config: InputConfig, names: Sequence[str], first: Record, following: Sequence[Record]) -> None:
    """Raise DataError if the text column is missing and the first record looks like data, which is not quoted."""
    if not has_column(_strings(*names), config.text_column) and looks_like_data(first, following):
        raise DataError(
            f"no column {config.text_column!r} in {config.path!r}, whose first line looks like data (not shown): if it "
            f"has no names, set --no-header and a --text-column from _c0 to _c{len(first) - 1}, or --columns"
        )


def _name(file: str) -> str:
    return repr(posixpath.basename(unquote(file)))


def _strings(*names: str) -> T.StructType:
    return T.StructType([T.StructField(name, T.StringType()) for name in names])
