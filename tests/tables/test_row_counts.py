"""What is counted of an input and of an output."""

import pytest

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
