"""Which column of an input holds the text, if none is set and there is no column "text"."""

from types import SimpleNamespace

import pytest
from pyspark.sql import types as T

from bert_spark.errors import DataError
from bert_spark.tables.config import InputConfig
from bert_spark.tables.provenance import FINGERPRINT_KEY, TEXT_KEY
from bert_spark.tables.text_column import with_text_column


def table(ddl, embedded=None):
    schema = T._parse_datatype_string(ddl) if isinstance(ddl, str) else ddl
    if embedded:
        metadata = {FINGERPRINT_KEY: "a", TEXT_KEY: embedded}
        schema = T.StructType([*schema.fields, T.StructField("v", T.ArrayType(T.FloatType()), metadata=metadata)])
    return SimpleNamespace(columns=schema.names, schema=schema)


@pytest.mark.parametrize(
    ("ddl", "settings", "others", "embedded", "expected"),
    [
        ("id long, text string, body string", {}, [], None, "text"),
        ("id long, body string", {}, [], None, "body"),
        ("id long, `my.body` string, _malformed_record string", {}, [], None, "my.body"),
        ("body string, mood string", {}, ["mood"], None, "body"),
        ("body string, mood struct<label:string>", {}, ["mood.label", None], None, "body"),
        ("key string, body string", {"id_column": "key"}, [], None, "body"),
        ("key string, author string, body string, error string", {}, [], "body", "body"),
        ("key string, user struct<bio:string>", {}, [], "user.bio", "user.bio"),
        ("key string", {}, [], "body", "key"),
    ],
)
def test_it_is_the_embedded_one_or_the_only_one_of_strings(spark, ddl, settings, others, embedded, expected):
    assert with_text_column(table(ddl, embedded), InputConfig(**settings), others).text_column == expected


@pytest.mark.parametrize(
    ("ddl", "settings"),
    [
        ("key string, body string", {}),
        ("id long", {}),
        ("id long, body string", {"text_column": "content"}),
        ("text long, body string", {}),
    ],
)
def test_a_choice_is_never_guessed(spark, ddl, settings):
    with pytest.raises(DataError, match=r"column '(text|content)' (not found; the table has|is bigint; expected)"):
        with_text_column(table(ddl), InputConfig(**settings))
