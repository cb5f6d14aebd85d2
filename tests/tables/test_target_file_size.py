"""Output files have about the size that --target-file-mb sets."""

import dataclasses

import pytest
from pyspark.sql import functions as F

from bert_spark.runs.sized_output import write_sized_output
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.outputs import read_output
from bert_spark.tables.provenance import FINGERPRINT_KEY
from bert_spark.tables.writers import write_output
from jobs import embed
from tests.support.nightly_runs import texts
from tests.support.row_counter import rows_through_python

ROWS = 3000


@pytest.fixture
def options(tiny_bert, tmp_path):
    """Return the command line of a job that writes 3,000 rows in many small files."""
    lines = [f"{key},{text}" for key, _, text in texts("a", ROWS)]
    (tmp_path / "tweets.csv").write_text("\n".join(["id,text", *lines, ""]))
    paths = ["--input", str(tmp_path / "tweets.csv"), "--output", str(tmp_path / "out")]
    return [*paths, "--model", str(tiny_bert), "--partition-mb", "0.01"]


def file_sizes(folder):
    """Return the bytes of each Parquet file, sorted."""
    return sorted(path.stat().st_size for path in folder.rglob("*.parquet"))


def test_target_file_mb_sizes_the_files_and_rows_go_through_bert_once(spark, options, tmp_path):
    assert embed.main(options) == 0
    assert len(file_sizes(tmp_path / "out")) > 6
    with rows_through_python(spark) as rows:
        assert embed.main([*options, "--overwrite", "--target-file-mb", "0.2"]) == 0
    assert rows == [ROWS]
    assert 1 < len(file_sizes(tmp_path / "out")) <= 4
    assert spark.read.parquet(str(tmp_path / "out")).count() == ROWS
    assert FINGERPRINT_KEY in spark.read.parquet(str(tmp_path / "out")).schema["embedding"].metadata
    by_day = ["--target-file-mb", "100", "--run-date", "2026-11-24", "--output", str(tmp_path / "day")]
    assert embed.main([*options, *by_day]) == 0
    assert len(file_sizes(tmp_path / "day")) == 1
    assert spark.conf.get("spark.sql.adaptive.advisoryPartitionSizeInBytes") == "67108864b"


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_rows_are_stored_before_they_are_moved(spark, tmp_path, kind):
    """Rows that a task computes anew, with other bits, would be moved to other tasks: some twice, others never."""
    output = OutputConfig("sized_rows") if kind == "table" else OutputConfig(str(tmp_path / "out"))
    output = dataclasses.replace(output, format="table" if kind == "table" else "parquet", target_file_mb=1)
    python = F.udf(lambda n: n, "long").asNondeterministic()
    rows = spark.range(0, 100, 1, 4).select(python("id").alias("id", metadata={"made": "here"}))
    moved = []

    def finish(computed):
        moved.append("Exchange" in computed._jdf.queryExecution().toString())
        return computed

    write_sized_output(rows, output, output, finish)
    written = read_output(spark, output)
    assert moved == [False]
    assert sorted(row.id for row in written.collect()) == list(range(100))
    assert written.schema["id"].metadata == {"made": "here"}
    assert len(written.inputFiles()) == 1
    assert not (tmp_path / "_staging" / "out").exists() or not list((tmp_path / "_staging" / "out").iterdir())
    tables = [table.name for table in spark.catalog.listTables() if "sized" in table.name]
    assert tables == (["sized_rows"] if kind == "table" else [])
    spark.sql("DROP TABLE IF EXISTS sized_rows")


def test_a_run_that_fails_leaves_no_stored_rows(spark, tmp_path):
    output = OutputConfig(str(tmp_path / "out"), target_file_mb=1)
    with pytest.raises(ZeroDivisionError):
        write_sized_output(spark.range(1), output, output, lambda rows: 1 / 0)
    assert [path.name for path in tmp_path.rglob("whole-*")] == []


def test_a_target_above_half_of_the_output_gives_one_file(spark, tmp_path):
    first = spark.conf.get("spark.sql.adaptive.coalescePartitions.parallelismFirst")
    rows = spark.range(0, 40_000, 1, 8).select(F.array(*(F.rand(n) for n in range(16))).alias("vector"))  # 5 MB
    write_output(rows, OutputConfig(path=str(tmp_path / "out"), target_file_mb=100))
    assert len(file_sizes(tmp_path / "out")) == 1
    assert spark.conf.get("spark.sql.adaptive.coalescePartitions.parallelismFirst") == first == "true"
