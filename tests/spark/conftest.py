"""Fixtures of the tests on Spark."""

import pytest

from bert_spark import EncoderConfig, with_embedding
from bert_spark.tables.config import InputConfig


@pytest.fixture(scope="session")
def config(tiny_bert):
    """Return the settings of the tiny model."""
    return EncoderConfig(model=str(tiny_bert))


@pytest.fixture
def table(spark):
    """Return a table of 100 different texts in 4 partitions."""
    rows = [(i, f"tweet {i} is so good") for i in range(100)]
    return spark.createDataFrame(rows, "id long, text string").repartition(4)


@pytest.fixture(scope="session")
def labelled():
    """Return 303 rows of text, label and day. The last three lack the text, the label, and both."""
    rows = [(f"tweet number {i}", ["joy", "grief"][i % 2], f"2026-11-{20 + i % 3}") for i in range(300)]
    return [*rows, (None, "joy", "2026-11-20"), ("no label", None, "2026-11-21"), (None, None, "2026-11-22")]


@pytest.fixture(scope="session")
def source():
    """Return the settings that name the text column of `stored`."""
    return InputConfig(text_column="my.text")


@pytest.fixture(scope="session")
def stored(spark, config, labelled, source, tmp_path_factory):
    """Return a folder with the vectors of `labelled`, partitioned by day."""
    folder = str(tmp_path_factory.mktemp("stored") / "vectors")
    df = spark.createDataFrame(labelled, f"`{source.text_column}` string, label string, run_date string")
    add = with_embedding(config, text_column=source.text_column, diagnostics=["token_count"])
    df.repartition(4).transform(add).write.partitionBy("run_date").parquet(folder)
    return folder
