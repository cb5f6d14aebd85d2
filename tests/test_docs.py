"""The README's code runs, as it stands there, and its commands name options that exist."""

import re

import pytest

from jobs import embed, history, score, search, train
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_there_is_code_in_the_readme():
    assert len(BLOCKS) >= 2


@pytest.mark.packaged
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_of_the_readme_runs(spark, number, capsys):
    tweets = spark.createDataFrame([(1, "so happy today"), (2, None)], "id int, content string")
    names = {"tweets": tweets, "spark": spark}
    exec(compile(BLOCKS[number], f"README.md, block {number}", "exec"), names)
    if "embedded" in names:
        assert {row.id: row.error for row in names["embedded"].collect()} == {1: None, 2: "missing text"}


def test_every_option_the_readme_names_exists(capsys):
    known = {
        "--help",
        "--master",
        "--conf",
        "--properties-file",
        "--archives",
        "--package-env",
        "--no-deps",
        "--deploy-mode",
    }
    for job in (embed, train, score, search, history):
        with pytest.raises(SystemExit, match="0"):
            job.main(["--help"])
        known |= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    of_jobs = "\n".join(line for line in README.splitlines() if "tests.benchmarks" not in line)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", of_jobs)) - known == set()
