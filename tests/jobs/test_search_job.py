"""jobs/search.py end to end: its best settings train and score."""

import json
import tomllib

import pytest

from jobs import score, search, train
from tests.support.row_counter import rows_through_python


@pytest.fixture(scope="module")
def tweets(tmp_path_factory):
    """Return a csv of 120 tweets of two classes."""
    path = tmp_path_factory.mktemp("search") / "tweets.csv"
    rows = [f"{i},{['happy', 'sad'][i % 2]} day to number {i},{['joy', 'grief'][i % 2]}" for i in range(120)]
    path.write_text("\n".join(["id,text,mood", *rows]), encoding="utf-8")
    return path


def test_search_runs_bert_once_and_writes_settings_for_train(spark, tiny_bert, tweets, tmp_path, capsys):
    source = ["--input", str(tweets), "--label-column", "mood"]
    base = [*source, "--model", str(tiny_bert)]
    grid = ["--poolings", "cls,mean", "--c", "1", "--class-weights", "none,sqrt", "--features", "bert+tfidf"]
    with rows_through_python(spark) as rows:
        assert search.main([*base, *grid, "--output", str(tmp_path / "search")]) == 0
    assert rows == [120]
    printed = capsys.readouterr().out
    assert "weighted F1 1.0000" in printed
    result = json.loads((tmp_path / "search" / "search.json").read_text())
    assert len(result["candidates"]) == 8
    settings = tomllib.loads((tmp_path / "search" / "best.toml").read_text())
    assert settings["train"]["features"] in ("bert", "tfidf", "bert+tfidf")
    options = ["--config", str(tmp_path / "search" / "best.toml"), "--calibrate", "sigmoid", "--features", "tfidf"]
    with rows_through_python(spark) as rows:
        assert train.main([*options, "--output", str(tmp_path / "artefact")]) == 0
    assert rows == []  # TF-IDF alone needs no BERT
    for name in ("pipeline.skops", "metadata.json", "metrics.json", "report.html", "README.md"):
        assert (tmp_path / "artefact" / name).is_file()
    assert "number 1" not in (tmp_path / "artefact" / "report.html").read_text()
    scored = ["--artefact", str(tmp_path / "artefact"), "--input", str(tweets), "--output", str(tmp_path / "scores")]
    assert score.main([*scored, "--min-probability", "0.8", "--scores"]) == 0
    rows = spark.read.parquet(str(tmp_path / "scores")).collect()
    assert len(rows) == 120
    assert {row.label == (["joy", "grief"][int(row.id) % 2] if row.margin >= 0.8 else None) for row in rows} == {True}
    assert all(abs(sum(row.scores.values()) - 1) < 1e-9 for row in rows)
