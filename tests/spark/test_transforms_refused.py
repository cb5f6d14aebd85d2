"""What no embedding can be added to is named before any work; names with dots are no fields."""

import pytest
from pyspark.sql import functions as F

from bert_spark import EncoderConfig, with_embedding
from bert_spark.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def config(tiny_bert):
    return EncoderConfig(model=str(tiny_bert))


@pytest.fixture
def table(spark):
    """Return a table of 100 different texts in 4 partitions."""
    rows = [(i, f"tweet {i} is so good") for i in range(100)]
    return spark.createDataFrame(rows, "id long, text string").repartition(4)


def test_absent_text_column_is_named_with_those_found(table, config):
    with pytest.raises(DataError, match=r"column 'body' not found; the table has \['id', 'text'\]; set --text-column"):
        table.transform(with_embedding(config, text_column="body"))


def test_number_as_text_is_refused_with_the_cast_to_write(table, config):
    with pytest.raises(DataError, match=r"column 'id' is bigint; expected string; cast it first"):
        table.transform(with_embedding(config, text_column="id"))


def test_column_that_is_there_already_is_refused(table, config):
    with pytest.raises(DataError, match=r"the input has \['Embedding'\] already; rename ours with --embedding-column"):
        table.withColumn("Embedding", F.lit(1)).transform(with_embedding(config))


def test_unknown_diagnostic_is_refused(config):
    with pytest.raises(ConfigError, match=r"diagnostics \['length'\] are unknown; known are \['token_count'"):
        with_embedding(config, diagnostics=["length"])


def test_column_names_with_dots_are_columns_not_fields(spark, config):
    df = spark.createDataFrame([("hi", 1)], "`the.text` string, `an.id` int")
    out = df.transform(with_embedding(config, text_column="the.text"))
    assert out.columns == ["the.text", "an.id", "embedding", "error"]
    assert len(out.collect()[0]["embedding"]) == 32
