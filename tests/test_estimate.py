"""What a run will take, from a sample; and files of a size that was asked for."""

import re

from nightly import texts
from spark_counts import rows_through_python

from jobs import embed

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
    taken, total = re.search(r"estimate from ([\d,]+) of ([\d,]+) records", told).groups()
    assert total == "3,000"
    assert 800 < int(taken.replace(",", "")) < 1200
    assert sum(rows) < 1600
    speed, hours, size = (
        float(n.replace(",", "")) for n in re.search(r"([\d,]+) rows/s, ([\d.e-]+) hours, ([\d.e-]+)", told).groups()
    )
    assert abs(hours * 3600 * speed / ROWS - 1) < 0.02
    assert 0.0003 < size < 0.002  # 3,000 rows of 32 floats and a text
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "_staging" / "out").iterdir())


def test_an_empty_input_has_nothing_to_estimate(spark, tiny_bert, tmp_path, caplog):
    base = [*tweets(tmp_path), "--model", str(tiny_bert)]
    (tmp_path / "tweets.csv").write_text("id,text\n")
    assert embed.main([*base, "--estimate", "10"]) == 5
    assert "holds no records: nothing to estimate" in caplog.text
    assert embed.main([*base, "--estimate", "0"]) == 2


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
