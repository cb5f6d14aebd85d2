"""The benchmarks run on a few rows. Their figures here mean nothing."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S


@pytest.mark.parametrize("name", ["encoder", "output_path", "stored_vectors"])
def test_benchmark_prints_a_table_and_writes_a_file(tiny_bert, tmp_path, name):
    options = ["--rows", "60", "--rounds", "1", "--json", str(tmp_path)]
    command = [sys.executable, "-W", "ignore", "-m", f"tests.benchmarks.{name}", *options]
    environment = os.environ | {"BENCHMARK_MODEL": str(tiny_bert)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_AFTER_S, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert f"{name}: {result['unit']}" in done.stdout
    assert result["figures"]
    assert result["bars"]


def test_gpu_benchmark_stops_without_a_gpu(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--json", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    )
    assert (done.returncode, done.stdout) == (0, "torch sees no GPU here: there is nothing to measure\n"), done.stderr
    assert list(tmp_path.iterdir()) == []
