"""Rows are spread over tasks by the bytes of the input's files."""

import gzip

import pytest

from bert_spark.tables.input_size import input_bytes
from bert_spark.tables.repartitioning import partition_count, spread_by_bytes, task_count


@pytest.mark.parametrize(
    ("size", "mb", "tasks"),
    [
        (0, None, 1),
        (1, None, 1),
        (4_000_000, None, 16),
        (10_000_000, None, 39),
        (20_000_000, None, 64),
        (100_000_000, None, 96),
        (1_000 << 20, None, 1000),
        (2_000 << 20, None, 1000),
        (100 * 2**30, None, 6400),
        (10_000_000, 5, 2),
        (10_000_001, 5, 3),
    ],
)
def test_the_number_of_tasks_follows_from_the_bytes(size, mb, tasks):
    assert partition_count(size, mb) == tasks


@pytest.mark.parametrize(
    ("size", "mb", "cores", "tasks"),
    [
        (45_000, None, 1, 1),
        (45_000, None, 2, 2),
        (45_000, None, 16, 2),
        (300_000, None, 8, 8),
        (300_000, 0.1, 8, 3),
        (300_000, 1, 8, 1),
        (4_000_000, None, 8, 16),
    ],
)
def test_a_small_table_uses_all_cores(size, mb, cores, tasks):
    assert task_count(None, mb, size, cores) == tasks


def test_an_uncompressed_file_counts_its_own_size(load, tmp_path):
    (tmp_path / "x.gz.csv").write_text("id,text\n1,hi\n")
    assert input_bytes(load(tmp_path / "x.gz.csv")) == 13


def test_one_compressed_file_is_spread_over_tasks(load, tmp_path):
    lines = "".join(f"{i},tweet number {i * 7919 % 100_003}\n" for i in range(100_000))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"id,text\n" + lines.encode()))
    df = load(tmp_path / "x.csv.gz")
    assert input_bytes(df) == int(2.5 * (tmp_path / "x.csv.gz").stat().st_size)
    sizes = spread_by_bytes(df, 0.25).rdd.glom().map(len).collect()
    assert sum(sizes) == 100_000
    assert len(sizes) >= 4
    assert max(sizes) < 2 * min(sizes)
