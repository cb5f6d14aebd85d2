"""The format of an input follows from its name."""

import pytest

from bert_spark.tables.input_format import format_from_name


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/tweets.csv", "csv"),
        ("tweets.csv.gz", "csv"),
        ("s3://b/x/*.jsonl.zst", "json"),
        ("a.tsv", "csv"),
        ("notes.txt", "text"),
        ("a/b.parquet/", "parquet"),
        ("tweets", "table"),
        ("main.raw.tweets", "table"),
        ("./tweets", "parquet"),
        ("tweets.csv.GZ", "csv"),
    ],
)
def test_the_format_follows_from_the_suffix_or_the_form_of_the_name(path, kind):
    assert format_from_name(path) == kind


@pytest.mark.parametrize(
    "name", ["tweets", "default.tweets", "main.default.tweets", "`my-catalog`.default.`my tweets`"]
)
def test_dotted_or_quoted_names_are_tables_not_paths(name):
    assert format_from_name(name) == "table"
