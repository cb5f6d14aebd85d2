"""A setting names a column, a field of structs, or several of them in order."""

import pytest
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.tables.references import find_columns, referenced_column
from bert_spark.tables.schema import check_text_column, text_value

FULL_TEXT = T.StructType([T.StructField("full.text", T.StringType()), T.StructField("id", T.LongType())])
SCHEMA = T.StructType(
    [T.StructField(name, T.StringType()) for name in ("text", "a.b", "a,b")]
    + [T.StructField("tweet", T.StructType([T.StructField("ext", FULL_TEXT), T.StructField("b`c", T.StringType())]))]
)


@pytest.mark.parametrize(
    ("reference", "paths"),
    [
        ("text", [("text",)]),
        ("a.b", [("a.b",)]),  # the whole name comes first
        ("`a.b`", [("a.b",)]),
        ("a,b", [("a,b",)]),
        ("tweet.ext.id", [("tweet", "ext", "id")]),
        ("tweet.ext.`full.text`", [("tweet", "ext", "full.text")]),
        ("tweet.`b``c`", [("tweet", "b`c")]),
        ("tweet.ext.`full.text`, tweet.nothing, text", [("tweet", "ext", "full.text"), ("text",)]),
        ("Text", []),
        ("text.id", []),
        ("tweet.", [("tweet",)]),
        ("", []),
    ],
)
def test_references_are_split_at_dots_and_commas_outside_of_backticks(reference, paths):
    assert find_columns(SCHEMA, reference) == paths


def test_the_first_that_is_not_null_is_read(spark):
    rows = [(("long",), "short"), ((None,), "short"), (None, "short"), (None, None)]
    table = spark.createDataFrame(rows, "tweet struct<full_text:string>, text string")
    texts = table.select(text_value(table, "tweet.full_text, full_text, text").alias("t")).collect()
    assert [row.t for row in texts] == ["long", "short", "short", None]
    fields = table.select(referenced_column(table.schema, "tweet.full_text").alias("t")).collect()
    assert [row.t for row in fields] == ["long", None, None, None]


def test_every_column_of_a_reference_must_hold_strings(spark):
    table = spark.createDataFrame([], "tweet struct<id:bigint>, text string")
    check_text_column(table, "tweet.full_text,text")
    with pytest.raises(DataError, match=r"column 'tweet.id' is bigint; expected string; cast it first"):
        check_text_column(table, "text,tweet.id")
    with pytest.raises(DataError, match=r"column 'tweet.text' not found; the table has \['tweet', 'text'\]"):
        check_text_column(table, "tweet.text")
