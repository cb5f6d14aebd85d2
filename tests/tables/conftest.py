"""Fixtures of the tests of tables."""

import pytest


@pytest.fixture(scope="session")
def load(spark):
    """Return a function that reads an input as a DataFrame, by its path and settings of InputConfig."""
    from bert_spark.tables.config import InputConfig
    from bert_spark.tables.readers import read_input

    return lambda path, **settings: read_input(spark, InputConfig(path=str(path), **settings))
