"""Arrow batches are grouped into windows of rows and bytes, without losing a row."""

import pyarrow as pa

from bert_spark.spark.windowing import group_into_windows


def test_a_batch_of_large_texts_is_split_into_windows(monkeypatch):
    monkeypatch.setattr("bert_spark.spark.windowing.WINDOW_BYTES", 1000)
    texts = pa.array([f"{i:04d}" * 100 for i in range(11)])
    found = [
        sum(len(batch[0]) for batch in window) for window in group_into_windows([(texts,), (pa.array(["hi"]),)], 8192)
    ]
    assert found == [2, 2, 2, 2, 2, 2]
    parts = [batch[0] for window in group_into_windows([(texts,)], 8192) for batch in window]
    assert pa.concat_arrays(parts).to_pylist() == texts.to_pylist()


def test_an_empty_batch_is_a_window_without_rows():
    assert [len(window[0][0]) for window in group_into_windows([(pa.array([], pa.string()),)], 10)] == [0]
