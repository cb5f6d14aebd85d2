"""The three jobs read one everyday csv file alike: no header, words for missing values, nothing quoted in the log."""

import json

import pandas as pd

from jobs import embed, score, train


def test_a_file_without_a_header_goes_through_all_jobs(spark, tiny_bert, tmp_path, capfd, caplog):
    rows = [(str(n), f"tweet number {n} \x93so good\x94", ["joy", "sad", "NA"][n % 3]) for n in range(60)]
    pd.DataFrame(rows).to_csv(tmp_path / "tweets.csv", header=False, index=False)
    source = ["--input", str(tmp_path / "tweets.csv")]
    assert embed.main([*source, "--model", str(tiny_bert), "--output", str(tmp_path / "refused")]) == 1
    assert "whose first line looks like data (not shown)" in caplog.text
    assert "tweet number" not in caplog.text
    source += ["--columns", "id,text,label", "--null-value", "NA"]
    assert embed.main([*source, "--model", str(tiny_bert), "--output", str(tmp_path / "vectors")]) == 0
    warning = "60 texts hold C1 control characters in words: is --encoding windows-1252 right?"
    assert f"  warning {warning}" in capfd.readouterr().out
    options = ["--model", str(tiny_bert), "--no-baseline", "--output", str(tmp_path / "artefact")]
    assert train.main([*source, *options]) == 0
    assert f"warning: {warning}" in capfd.readouterr().out
    counts = json.loads((tmp_path / "artefact" / "metadata.json").read_text())["counts"]
    assert (counts["rows"], counts["without_label"]) == (60, 20)
    options = ["--columns", "id,text,truth", "--artefact", str(tmp_path / "artefact")]
    assert score.main([*source, *options, "--output", str(tmp_path / "scores")]) == 0
    scored = spark.read.parquet(str(tmp_path / "scores")).toPandas().sort_values("id", key=lambda ids: ids.astype(int))
    assert scored["text"].tolist() == [text for _, text, _ in rows]
    assert scored["truth"].isna().sum() == 20
    assert set(scored["label"]) <= {"joy", "sad"}
