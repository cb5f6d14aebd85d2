"""The benchmarks run: each on a few rows, to its table and its JSON file. What they measure so is nothing."""

import json
import subprocess
import sys

import pytest

from tests.support.checkouts import ROOT


@pytest.mark.packaged
@pytest.mark.parametrize("name", ["encoder", "output_path"])
def test_a_benchmark_gives_its_table_and_its_file(tmp_path, name):
    options = ["--rows", "60", "--rounds", "1", "--json", str(tmp_path)]
    command = [sys.executable, "-W", "ignore", "-m", f"tests.benchmarks.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    kept = json.loads((tmp_path / f"{name}.json").read_text())
    assert f"{name}: {kept['unit']}" in done.stdout
    assert kept["figures"]
    assert kept["bars"]


def test_the_one_for_cards_says_that_there_is_none(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--json", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    )
    assert (done.returncode, done.stdout) == (0, "torch sees no GPU here: there is nothing to measure\n"), done.stderr
    assert list(tmp_path.iterdir()) == []
