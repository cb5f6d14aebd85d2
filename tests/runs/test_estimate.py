"""An estimate of a whole run: it encodes a sample, leaves no file, and multiplies only the time of encoding."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from bert_spark.runs import estimate
from bert_spark.tables.repartitioning import default_parallelism
from jobs import embed
from tests.support.nightly_runs import texts
from tests.support.row_counter import rows_through_python

ROWS = 3000
READING_S, ENCODING_S = 6.0, 2.0


@pytest.fixture
def options(tiny_bert, tmp_path):
    """Return the command line of a job on a csv file of 3,000 rows."""
    lines = [f"{key},{text}" for key, _, text in texts("a", ROWS)]
    (tmp_path / "tweets.csv").write_text("\n".join(["id,text", *lines, ""]))
    paths = ["--input", str(tmp_path / "tweets.csv"), "--output", str(tmp_path / "out")]
    return [*paths, "--model", str(tiny_bert)]


@pytest.fixture
def fixed_times(monkeypatch):
    """Let reading the sample take 6 s and encoding it 2 s, whatever this machine is busy with."""
    write = estimate._timed_write

    def timed_write(rows, path):
        assert write(rows, path) > 0
        return READING_S if path.endswith("sample") else ENCODING_S

    monkeypatch.setattr(estimate, "_timed_write", timed_write)


def estimated(printed):
    """Return rows per second, seconds of the whole run and of its reading, and gigabytes."""
    numbers = re.search(r"([\d,]+) rows/s, ([\d.e-]+) hours with ([\d,.]+) s of reading, ([\d.e-]+) GB", printed)
    speed, hours, reading, size = (float(number.replace(",", "")) for number in numbers.groups())
    return speed, hours * 3600, reading, size


def test_only_a_sample_is_encoded_and_no_file_is_left(spark, options, fixed_times, tmp_path, capsys):
    with rows_through_python(spark) as rows:
        assert embed.main([*options, "--estimate", "1000"]) == 0
    printed = capsys.readouterr().out
    sample, total = re.search(r"from ([\d,]+) of ([\d,]+) records", printed).groups()
    assert total == "3,000"
    assert 800 < int(sample.replace(",", "")) < 1200
    assert sum(rows) < 1600
    speed, seconds, reading, size = estimated(printed)
    assert abs((seconds - reading) * speed / ROWS - 1) < 0.05
    assert 0.0003 < size < 0.002  # 3,000 rows of 32 floats and a text
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "_staging" / "out").iterdir())


def test_an_empty_input_has_nothing_to_estimate(spark, options, tmp_path, caplog):
    (tmp_path / "tweets.csv").write_text("id,text\n")
    assert embed.main([*options, "--estimate", "10"]) == 5
    assert "holds no records: nothing to estimate" in caplog.text
    assert embed.main([*options, "--estimate", "0"]) == 2


def test_the_input_is_read_twice_and_only_encoding_is_multiplied(spark, tiny_bert, tmp_path, fixed_times, capsys):
    reads = tmp_path / "reads"
    reads.mkdir()

    def count_reads(batches):
        Path(reads, uuid4().hex).touch()
        yield from batches

    lines = [(key, text) for key, _, text in texts("a", ROWS)]
    table = spark.createDataFrame(lines, "id string, text string").repartition(2)
    table.mapInPandas(count_reads, table.schema).createOrReplaceTempView("counted")
    options = ["--input", "counted", "--format", "table", "--output", str(tmp_path / "out"), "--model", str(tiny_bert)]
    assert embed.main([*options, "--estimate", "300"]) == 0
    assert len(list(reads.iterdir())) == 2 * 2  # two partitions: counted once, sampled once
    printed = capsys.readouterr().out
    sample = int(re.search(r"from (\d+) of 3,000 records", printed)[1])
    _, seconds, reading, _ = estimated(printed)
    assert reading == READING_S
    assert seconds == pytest.approx(READING_S + ENCODING_S * ROWS / sample, rel=0.005)  # hours have three digits


def test_an_input_with_a_path_per_day_is_refused(spark, tiny_bert, tmp_path, caplog):
    options = ["--output", str(tmp_path / "out"), "--model", str(tiny_bert), "--run-date", "2026-11-24"]
    assert embed.main(["--input", str(tmp_path / "{run_date}.csv"), *options, "--estimate", "10"]) == 2
    assert "write a day in place of {run_date}, or *" in caplog.text


def test_default_parallelism_is_the_number_of_cores(spark):
    assert default_parallelism(spark) == spark.sparkContext.defaultParallelism == 2
