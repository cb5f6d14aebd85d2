"""What is counted of an input and of an output."""

import pytest

from bert_spark.tables.input_warnings import input_warnings, null_words_warning
from bert_spark.tables.row_counts import input_counts, output_counts


@pytest.mark.parametrize(
    ("content", "counted"),
    [
        ('text,note\nhi,"open' + "\nso,on" * 20, 1),  # the last column contains all later records
        ('note,text\n"open' + "\nso,on" * 20, 1),  # too few columns: malformed, with its raw text
        ('text,note\nhi,"closed' + "\nso,on" * 19 + '"', 0),
        ('text,note\n"' + "a\n" * 20 + '","' + "b\n" * 20 + '"', 1),  # two columns of one record count once
    ],
)
def test_records_with_many_lines_are_counted_in_any_column(load, tmp_path, content, counted):
    (tmp_path / "x.csv").write_text(content)
    df = load(tmp_path / "x.csv")
    assert df.agg(*input_counts(df, "text")).first().rows_many_lines == counted


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("rows_control_characters", ["don\x92t", "\x93hi", "wait\x85"]),
        ("rows_null_words", ["NA", "\\N", "null", "None"]),
        ("rows_escaped_quotes", ['"she said \\"hi\\""', '"a\nb \\"c']),
        ("rows_undecodable", ["caf\ufffd"]),
    ],
)
def test_texts_that_look_wrongly_read_are_counted_and_warned_of(spark, name, texts):
    harmless = ["don\u2019t", "a \x92 b", "", "na", "none of it", 'she said "hi"', "C:\\dir", None]
    harmless += ['she said \\"hi\\"', '"hi"\\']
    df = spark.createDataFrame([(text,) for text in [*texts, *harmless]], "text string")
    counts = df.agg(*input_counts(df, "text")).first().asDict()
    assert {key: n for key, n in counts.items() if n} == {"rows_in": len(texts) + len(harmless), name: len(texts)}
    (warning,) = input_warnings(counts)
    assert f"{len(texts) / counts['rows_in']:.2%}" in warning or warning.startswith(f"{len(texts)} texts ")


def test_words_for_missing_values_are_warned_of_above_a_share():
    assert null_words_warning("labels", 1, 1000) == null_words_warning("labels", 0, 0) == []
    assert null_words_warning("labels", 2, 1000)[0].startswith("0.20% of the labels are a word such as NA")
    assert input_warnings({"rows_in": 5, "rows_many_lines": 1}) == [
        "1 records with 20 line ends or more: is a quote left open?"
    ]


@pytest.mark.parametrize(
    ("truncated", "tokens_read", "unknown_share"),
    [
        (True, 60 + 10, 0.5 * 60 / 70),
        (False, 100 + 10, 0.5 * 100 / 110),  # with long_text="windows" all tokens are read
    ],
)
def test_tokens_read_of_a_truncated_text_are_max_length(spark, truncated, tokens_read, unknown_share):
    names = {name: name for name in ("token_count", "truncated", "unknown_share", "reused")}
    table = spark.createDataFrame(
        [(None, 100, truncated, 0.5, False), (None, 10, False, 0.0, False)],
        "error string, token_count int, truncated boolean, unknown_share float, reused boolean",
    )
    counts = table.agg(*output_counts("error", names, max_length=60)).first()
    assert (counts.tokens_read, counts.unknown_token_share) == (tokens_read, pytest.approx(unknown_share))
