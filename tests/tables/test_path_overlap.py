"""Whether an output and an input share files, from their addresses alone."""

import pytest

from bert_spark.tables.path_overlap import literal_prefix, paths_overlap

SAME = [
    ("file:/d", "/d"),
    ("file:///d", "file:/d/"),
    ("/d", "/d/in.csv"),
    ("/d", "/d/*.csv"),
    ("/d", "/d//a/../in.csv"),
    ("/d/out", "/d"),
    ("/d/out", "/"),
    ("/d/out", "/*/out/in.csv"),
    ("/d/out", "/d/{in,out}/*.csv"),
    ("/d/out1", "/d/out[0-9]"),
    ("/d/out1", "/d/out[!a]"),
    ("/d/out", "/d/o?t/x"),
    ("/d/a*", "/d/a\\*/x"),
    ("s3://b/d", "s3://b/d/in.csv"),
    ("s3://b/d", "s3://b//d/./in.csv"),
    ("hdfs://n:8020/d", "hdfs://n:8020/d/x"),
]
DIFFERENT = [
    ("/d/out", "/d/in.csv"),
    ("/d/out", "/d/*.csv"),
    ("/d/out", "/d/outer/in.csv"),
    ("/d/out", "/d/out.csv"),
    ("/d/out", "/d/{in,outer}/x"),
    ("/d/outa", "/d/out[0-9]"),
    ("/d/ab", "/d/a\\*"),
    ("s3://b/d", "s3://c/d"),
    ("s3://b/d", "/b/d"),
    ("hdfs://n/d", "hdfs://m/d"),
]


@pytest.mark.parametrize(("output", "source"), SAME)
def test_an_output_that_is_holds_or_lies_in_the_input_overlaps_it(output, source):
    assert paths_overlap(output, source)


@pytest.mark.parametrize(("output", "source"), DIFFERENT)
def test_an_output_beside_the_input_does_not_overlap_it(output, source):
    assert not paths_overlap(output, source)


def test_links_of_a_local_path_are_resolved(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert paths_overlap(f"file:{tmp_path}/link", f"{tmp_path}/data/*.csv")
    assert paths_overlap(f"{tmp_path}/data", f"{tmp_path}/link/in.csv")


@pytest.mark.parametrize(
    ("pattern", "prefix"), [("/a/b/c*.csv", "/a/b/"), ("/a/b", "/a/b"), ("*.csv", ""), ("s3://b/{a,b}/c", "s3://b/")]
)
def test_the_literal_prefix_ends_before_the_first_wildcard(pattern, prefix):
    assert literal_prefix(pattern) == prefix
