"""Two rows have equal digests only if they are equal, whatever their columns hold."""

import datetime
import itertools

import pytest
from pyspark.sql import functions as F

from bert_spark.tables.row_digests import row_digest, text_digest

SCHEMA = "a string, b string, t timestamp, m map<string,int>, s struct<x:int,y:array<double>>, z binary"
NOON = datetime.datetime(2026, 11, 24, 12)
ROWS = [
    (None, None, None, None, None, None),
    ("x", None, None, None, None, None),
    (None, "x", None, None, None, None),  # xxhash64 gives this row and the one above one hash
    ("", None, None, None, None, None),
    (None, None, NOON, None, None, None),
    (None, None, NOON.replace(microsecond=1), None, None, None),
    (None, None, None, {}, None, None),
    (None, None, None, {"k": 1}, None, None),
    (None, None, None, {"k": None}, None, None),
    (None, None, None, None, (None, None), None),
    (None, None, None, None, (1, []), None),
    (None, None, None, None, (1, [0.1]), None),
    (None, None, None, None, (1, [0.1, None]), None),
    (None, None, None, None, None, b"\xff"),
    (None, None, None, None, None, b"\xfe"),
]


@pytest.fixture(scope="module")
def rows(spark):
    """Return rows that differ in one way each."""
    return spark.createDataFrame(ROWS, SCHEMA)


def test_rows_that_differ_have_different_digests(rows):
    digests = [row[0] for row in rows.select(row_digest(rows, rows.columns)).collect()]
    same = [(one, two) for one, two in itertools.combinations(range(len(ROWS)), 2) if digests[one] == digests[two]]
    assert same == []


def test_digests_do_not_depend_on_the_order_of_columns_nor_on_strings_that_are_not_utf_8(spark, rows):
    turned = rows.select(*reversed(rows.columns))
    assert (
        turned.select(row_digest(turned, turned.columns)).collect()
        == rows.select(row_digest(rows, rows.columns)).collect()
    )
    broken = spark.sql("SELECT CAST(X'ff' AS STRING) AS a UNION ALL SELECT CAST(X'fe' AS STRING) AS a")
    assert broken.select(row_digest(broken, ["a"]).alias("d")).distinct().count() == 2


def test_the_digest_of_no_text_is_its_reason(spark):
    texts = spark.createDataFrame([("a", False), ("a", True), (None, False), ("", False)], "text string, bad boolean")
    digests = [row[0] for row in texts.select(text_digest(F.col("text"), F.col("bad"))).collect()]
    assert digests[1:3] == ["malformed row", "missing text"]
    assert len({digests[0], digests[3], *digests[1:3]}) == 4
