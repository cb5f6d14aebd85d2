"""Questions about an output with many partitions are answered without listing all of its files."""

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from bert_spark.tables.config import OutputConfig
from bert_spark.tables.output_partitions import check_partition_column, count_partition_rows
from bert_spark.tables.outputs import (
    _resolved_path,
    output_is_empty,
    output_schema,
    path_exists,
    qualified_path,
    read_output,
)
from bert_spark.tables.ownership import conflicting_owner
from bert_spark.tables.provenance import FINGERPRINT_KEY

DAYS = 40


@pytest.fixture(scope="module", params=["parquet", "json"])
def nights(spark, request, tmp_path_factory):
    """Return an output with one partition for each of 40 days."""
    output = OutputConfig(str(tmp_path_factory.mktemp("nights") / "scores"), format=request.param)
    label = F.lit("joy").alias("label", metadata={FINGERPRINT_KEY: "a"})
    day = F.expr("date_add(date'2026-01-01', cast(id as int))").alias("run_date")
    rows = spark.range(0, DAYS, 1, 1).select("id", label, day)
    rows.write.partitionBy("run_date").format(output.format).save(output.path)
    return output


def files_listed(spark):
    return spark._jvm.org.apache.spark.metrics.source.HiveCatalogMetrics.METRIC_FILES_DISCOVERED().getCount()


def test_one_partition_is_listed_for_each_question(spark, nights):
    before = files_listed(spark)
    assert path_exists(spark, nights.path, nights.format)
    assert not output_is_empty(spark, nights)
    check_partition_column(spark, nights, "run_date")
    assert conflicting_owner(spark, nights, {FINGERPRINT_KEY: "a"}, lambda: {FINGERPRINT_KEY: "a"}) is None
    assert count_partition_rows(spark, nights, "run_date=2026-01-03") == 1
    assert files_listed(spark) - before < 10


def test_its_columns_are_those_of_the_whole_output(spark, nights):
    assert output_schema(spark, nights) == read_output(spark, nights).schema
    assert path_exists(spark, f"{nights.path}/run_date=2026-01-*", nights.format)
    assert not path_exists(spark, f"{nights.path}_v2", nights.format)


def test_an_empty_partition_is_not_taken_for_the_output(spark, tmp_path):
    output = OutputConfig(str(tmp_path / "scores"))
    spark.range(2).write.parquet(f"{output.path}/run_date=2026-01-01")
    (tmp_path / "scores" / "run_date=2026-01-02").mkdir()
    spark.range(0).write.parquet(f"{output.path}/run_date=2026-01-03")
    assert not output_is_empty(spark, output)
    (tmp_path / "nothing").mkdir()
    assert output_is_empty(spark, OutputConfig(str(tmp_path / "nothing")))


@pytest.mark.parametrize(
    "path",
    [
        "/a b",
        "/a//b/",
        "/a/../b",
        "/a/./b/..",
        "/ü%20",
        "/a:b",
        "/a*",
        "a/b",
        "file:/a/../b",
        "file:///a",
    ],
)
def test_a_path_is_resolved_as_spark_does(spark, path):
    assert qualified_path(spark, path) == _resolved_path(spark, path)
    assert qualified_path(spark, "/") == "file:/"


def test_a_place_exists_where_spark_says_so(spark, tmp_path):
    for name in ("filled", "a b", "p[1]"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    found = {}
    for name in ("filled", "filled/", "filled/file", "a b", "empty", "none", "none/none", "fill*", "nil*"):
        path = f"{tmp_path}/{name}"
        found[name] = path_exists(spark, path, "parquet")
        try:
            assert found[name] == bool(spark.read.format("binaryFile").load(path).columns)
        except AnalysisException:
            assert not found[name], name
    assert sum(found.values()) == 6
    assert path_exists(spark, f"{tmp_path}/p[1]", "parquet")  # Spark writes this very folder, and reads a pattern


def test_spark_is_asked_about_storage_that_is_mounted_for_some_processes(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("bert_spark.tables.outputs._resolved_path", lambda spark, path: f"dbfs:{path}")
    assert path_exists(spark, str(tmp_path), "parquet")
    assert not path_exists(spark, f"{tmp_path}/none", "parquet")
