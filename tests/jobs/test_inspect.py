"""jobs/inspect.py says how a file is read and what it holds, without BERT; the command that it prints works."""

import shlex
import subprocess
import sys

import pandas as pd
import pytest

from bert_spark.encoding.encoder_cache import model_loads
from jobs import embed, inspect
from tests.support.paths import ROOT
from tests.support.row_counter import rows_through_python
from tests.support.run_records import run_record
from tests.support.timeouts import HANGS_AFTER_S

LONG = "so happy " * 40


def command_of(report, job):
    """Return the options of a command that the report prints."""
    (line,) = (line for line in report.splitlines() if f"jobs/{job}.py" in line)
    return shlex.split(line)[2:]


def test_a_file_is_described_and_the_printed_command_embeds_it(spark, tiny_bert, tmp_path, capfd):
    texts = ["so happy caf\u00e9", "i miss; you", LONG, None, " ", "don\u2019t be sad"] * 10
    table = pd.DataFrame({"key": range(60), "mood": ["joy", "sad", None] * 20, "content": texts})
    table.to_csv(tmp_path / "tweets.csv", sep=";", index=False, encoding="cp1252")
    before = model_loads()
    with rows_through_python(spark) as rows:
        assert inspect.main(["--input", str(tmp_path / "tweets.csv"), "--model", str(tiny_bert)]) == 0
    assert (rows, model_loads()) == ([], before)
    report = capfd.readouterr().out
    assert "format csv, encoding windows-1252, delimiter ';', with a header, quote '\"'" in report
    assert "60 records, 0 malformed" in report
    assert [line.split() for line in report.splitlines() if line.startswith("  content")] == [
        ["content", "string", "16.67%", "16.67%", "about", "5"]
    ]
    assert "texts in 'content' (a guess: it has the longest strings)" in report
    assert "of 50 texts 20.00% are longer than 60 tokens; unknown tokens" in report
    assert "labels in 'mood' (a guess): 2 classes, 20 rows without one" in report
    assert "joy 20, sad 20" in report
    assert "miss" not in report
    options = command_of(report, "embed")
    assert "--id-column key" in " ".join(options)
    assert embed.main([*options[:-1], str(tmp_path / "vectors")]) == 0
    record = run_record(tmp_path, "embed")
    assert (record["rows_out"], record["rows_missing"], record["rows_truncated"]) == (60, 10, 10)


def test_a_file_without_a_header_and_with_words_for_missing_values_is_described(spark, tiny_bert, tmp_path, capfd):
    lines = [f"{n % 2},14678{n},@user{n} {'NA' if n % 4 else 'so sad'} now" for n in range(40)] + ["1,99,NA"]
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "part").write_text("\n".join([*lines, ""]))
    options = ["--input", str(tmp_path / "train"), "--model", str(tiny_bert), "--label-column", "_c0", "--examples"]
    assert inspect.main(options) == 0
    report = capfd.readouterr().out
    assert "delimiter ',', without a header" in report
    assert "warning 2.44% of the texts are a word such as NA" in report
    assert "labels in '_c0': 2 classes, 0 rows without one" in report
    assert "@user0 so sad now" in report
    options = command_of(report, "train")
    for expected in ("--format csv", "--no-header", "--null-value NA", "--text-column _c2", "--label-column _c0"):
        assert expected in " ".join(options)


def test_what_cannot_be_known_is_asked_for(spark, tiny_bert, tmp_path, capfd, caplog):
    (tmp_path / "empty.csv").write_text("id,text\n")
    base = ["--model", str(tiny_bert), "--input"]
    assert inspect.main([*base, str(tmp_path / "empty.csv")]) == 5
    assert inspect.main([*base, str(tmp_path / "nowhere.csv")]) == 1
    assert inspect.main([*base, str(tmp_path / "empty.csv"), "--text-column", "body"]) in (1, 5)
    (tmp_path / "tweets.jsonl").write_text('{"text": "hi"}\n{"text": "so"}\n')
    assert inspect.main([*base, str(tmp_path / "tweets.jsonl")]) == 0
    report = capfd.readouterr().out
    assert "labels: none found; set --label-column" in report
    assert command_of(report, "train")[-3:-1] == ["--max-length", "60"] or "LABEL_COLUMN" in report


@pytest.mark.parametrize("script", ["embed.py", "inspect.py", "notebook.py"])
def test_a_script_started_in_its_own_folder_finds_pythons_own_inspect(script):
    """A script's folder comes first on Python's path, and so does the folder in which `python -m` is started."""
    code = f"import runpy, inspect; print(inspect.signature(runpy.run_path)); print(inspect.__file__, {script!r})"
    for command in (["-c", code], ["-m", "dataclasses"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT / "jobs", capture_output=True, text=True, timeout=HANGS_AFTER_S
        )
        assert done.returncode == 0, done.stderr
        assert "jobs/inspect.py" not in done.stdout
    if script == "notebook.py":  # it needs a session
        return
    command = [sys.executable, script, "--help"]
    done = subprocess.run(command, cwd=ROOT / "jobs", capture_output=True, text=True, timeout=HANGS_AFTER_S)
    assert done.returncode == 0, done.stderr
    assert f"usage: {script}" in done.stdout
