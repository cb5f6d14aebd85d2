"""What a run will take, from a sample; and files of a size that was asked for."""

import re
import time

from pyspark.sql import functions as F

from bert_spark.runs.estimate import _default_slots
from bert_spark.tables.config import OutputConfig
from bert_spark.tables.writers import write_output
from jobs import embed
from tests.support.nightly_runs import texts
from tests.support.row_counter import rows_through_python

ROWS = 3000


def tweets(folder):
    lines = [f"{key},{text}" for key, _, text in texts("a", ROWS)]
    (folder / "tweets.csv").write_text("\n".join(["id,text", *lines, ""]))
    return ["--input", str(folder / "tweets.csv"), "--output", str(folder / "out")]


def test_a_sample_is_encoded_and_nothing_else_and_nothing_is_left(spark, tiny_bert, tmp_path, capsys):
    base = [*tweets(tmp_path), "--model", str(tiny_bert)]
    with rows_through_python(spark) as rows:
        assert embed.main([*base, "--estimate", "1000"]) == 0
    told = capsys.readouterr().out
    taken, total = re.search(r"from ([\d,]+) of ([\d,]+) records", told).groups()
    assert total == "3,000"
    assert 800 < int(taken.replace(",", "")) < 1200
    assert sum(rows) < 1600
    speed, seconds, reading, size = figures(told)
    assert abs((seconds - reading) * speed / ROWS - 1) < 0.05
    assert 0.0003 < size < 0.002  # 3,000 rows of 32 floats and a text
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "_staging" / "out").iterdir())


def test_an_empty_input_has_nothing_to_estimate(spark, tiny_bert, tmp_path, caplog):
    base = [*tweets(tmp_path), "--model", str(tiny_bert)]
    (tmp_path / "tweets.csv").write_text("id,text\n")
    assert embed.main([*base, "--estimate", "10"]) == 5
    assert "holds no records: nothing to estimate" in caplog.text
    assert embed.main([*base, "--estimate", "0"]) == 2


def test_a_slow_input_is_read_once_by_a_run_however_small_the_sample(spark, tiny_bert, tmp_path, capsys):
    def slowly(batches):
        time.sleep(3)
        yield from batches

    lines = [(key, text) for key, _, text in texts("a", ROWS)]
    table = spark.createDataFrame(lines, "id string, text string").repartition(2)
    table.mapInPandas(slowly, table.schema).createOrReplaceTempView("slow")
    options = ["--input", "slow", "--format", "table", "--output", str(tmp_path / "out"), "--model", str(tiny_bert)]
    assert embed.main([*options, "--estimate", "300"]) == 0
    _, seconds, reading, _ = figures(capsys.readouterr().out)
    assert 3 < reading < seconds < 30  # a tenth is taken: multiplied by ten, reading alone were 30


def test_an_input_by_the_day_is_refused(spark, tiny_bert, tmp_path, caplog):
    options = ["--output", str(tmp_path / "out"), "--model", str(tiny_bert), "--run-date", "2026-11-24"]
    assert embed.main(["--input", str(tmp_path / "{run_date}.csv"), *options, "--estimate", "10"]) == 2
    assert "write a day in place of {run_date}, or *" in caplog.text


def test_as_many_tasks_as_cores_warm_the_workers(spark):
    assert _default_slots(spark) == spark.sparkContext.defaultParallelism == 2


def figures(told):
    """Return rows per second, seconds of the whole run and of its reading, and gigabytes."""
    found = re.search(r"([\d,]+) rows/s, ([\d.e-]+) hours with ([\d,.]+) s of reading, ([\d.e-]+) GB", told)
    speed, hours, reading, size = (float(number.replace(",", "")) for number in found.groups())
    return speed, hours * 3600, reading, size


def files(folder):
    return sorted(path.stat().st_size for path in folder.rglob("*.parquet"))


def test_files_are_of_the_size_asked_for_and_rows_go_through_bert_once(spark, tiny_bert, tmp_path):
    base = [*tweets(tmp_path), "--model", str(tiny_bert), "--partition-mb", "0.01"]
    assert embed.main(base) == 0
    assert len(files(tmp_path / "out")) > 6
    with rows_through_python(spark) as rows:
        assert embed.main([*base, "--overwrite", "--target-file-mb", "0.2"]) == 0
    assert rows == [ROWS]
    assert 1 < len(files(tmp_path / "out")) <= 4
    assert spark.read.parquet(str(tmp_path / "out")).count() == ROWS
    assert (
        embed.main([*base, "--target-file-mb", "100", "--run-date", "2026-11-24", "--output", str(tmp_path / "day")])
        == 0
    )
    assert len(files(tmp_path / "day")) == 1
    assert spark.conf.get("spark.sql.adaptive.advisoryPartitionSizeInBytes") == "67108864b"


def test_a_size_above_half_of_the_output_gives_one_file_on_many_cores(spark, tmp_path):
    first = spark.conf.get("spark.sql.adaptive.coalescePartitions.parallelismFirst")
    rows = spark.range(0, 40_000, 1, 8).select(F.array(*(F.rand(n) for n in range(16))).alias("vector"))  # 5 MB
    write_output(rows, OutputConfig(path=str(tmp_path / "out"), target_file_mb=100))
    assert len(files(tmp_path / "out")) == 1
    assert spark.conf.get("spark.sql.adaptive.coalescePartitions.parallelismFirst") == first == "true"
