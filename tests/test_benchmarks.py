"""The benchmarks run on a few rows. Their figures here mean nothing."""

import json
import subprocess
import sys

from tests.support.paths import ROOT

RUN = """
import sys
from tests.benchmarks import baseline, encoder, output_path, stored_vectors
for benchmark, *options in ((encoder, "--slow-rows", "5"), (output_path,), (stored_vectors,), (baseline,)):
    sys.argv[1:] = ["--rows", "60", "--rounds", "1", "--json", {folder!r}, *options]
    benchmark.main()
"""


def test_benchmarks_print_a_table_and_write_a_file(tiny_bert, tmp_path, run_forked):
    daemon = "--conf spark.python.daemon.module=tests.support.preloaded_daemon pyspark-shell"
    code = RUN.format(folder=str(tmp_path))
    printed = run_forked(code, BENCHMARK_MODEL=str(tiny_bert), PYSPARK_SUBMIT_ARGS=daemon, PYTHONWARNINGS="ignore")
    for name in ("encoder", "output_path", "stored_vectors", "baseline"):
        result = json.loads((tmp_path / f"{name}.json").read_text())
        assert f"{name}: {result['unit']}" in printed
        assert result["figures"]
        assert result["bars"]


def test_gpu_benchmark_stops_without_a_gpu(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--json", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    )
    assert (done.returncode, done.stdout) == (0, "torch sees no GPU here: there is nothing to measure\n"), done.stderr
    assert list(tmp_path.iterdir()) == []
