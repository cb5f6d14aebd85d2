"""Any table of texts and missing values, in any partitions and Arrow batches, keeps its keys.

Each row has the vector that transformers computes for its text alone.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_spark import with_embedding
from bert_spark.encoding.config import EncoderConfig
from tests.support.any_text import TEXTS, without_lone_surrogates

# Spark's strings are UTF-8, so that none holds a lone surrogate.
ROWS = st.lists(st.none() | TEXTS.map(without_lone_surrogates), max_size=12)


@pytest.fixture(scope="module")
def batch_rows(spark):
    """Return a function that sets how many rows an Arrow batch has."""
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    yield lambda rows: spark.conf.set(name, str(rows))
    spark.conf.set(name, before)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    texts=ROWS,
    partitions=st.integers(1, 6),
    rows=st.integers(1, 5),
    token_budget=st.sampled_from([1, 64, 2048]),
    window_rows=st.integers(1, 8),
    order=st.randoms(use_true_random=False),
)
def test_each_row_keeps_its_key_and_has_the_vector_of_its_text(
    spark, tiny_bert, transformers_cls, batch_rows, texts, partitions, rows, token_budget, window_rows, order
):
    batch_rows(rows)
    table = list(enumerate(texts))
    order.shuffle(table)
    df = spark.createDataFrame(table, "id int, text string").repartition(partitions)
    config = EncoderConfig(model=str(tiny_bert), token_budget=token_budget, window_rows=window_rows)
    found = {row.id: row for row in df.transform(with_embedding(config)).collect()}
    assert len(found) == len(texts)
    assert {key: row.text for key, row in found.items()} == dict(table)
    assert {key: row.error for key, row in found.items()} == {
        key: "missing text" if text is None else None for key, text in table
    }
    present = [(found[key].embedding, text) for key, text in table if text is not None]
    assert all(found[key].embedding is None for key, text in table if text is None)
    if present:
        expected = transformers_cls(tiny_bert, [text for _, text in present])
        np.testing.assert_allclose([vector for vector, _ in present], expected, rtol=0, atol=1e-5)
