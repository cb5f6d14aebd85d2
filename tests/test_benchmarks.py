"""The benchmarks run on a few rows. Their figures here mean nothing."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.engine_faults import DEFAULT_MODE, counts
from tests.benchmarks.engines import absent_peers, least_cosine, of_ours
from tests.support.paths import ROOT

RUN = """
import sys
from tests.benchmarks import baseline, card, encoder, output_path, stored_vectors
for benchmark, *options in ((baseline,), (card,), (encoder, "--slow-rows", "5"), (output_path,), (stored_vectors,)):
    sys.argv[1:] = ["--rows", "60", "--rounds", "1", "--json", {folder!r}, *options]
    benchmark.main()
"""


def test_benchmarks_print_a_table_and_write_a_file(tiny_bert, tmp_path, run_forked):
    daemon = "--conf spark.python.daemon.module=tests.support.preloaded_daemon pyspark-shell"
    code = RUN.format(folder=str(tmp_path))
    printed = run_forked(code, BENCHMARK_MODEL=str(tiny_bert), PYSPARK_SUBMIT_ARGS=daemon, PYTHONWARNINGS="ignore")
    for name in ("baseline", "card", "encoder", "output_path", "stored_vectors"):
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


def test_rows_lost_and_doubled_are_counted_as_a_reader_sees_them(tmp_path):
    for name, ids, vectors in (
        ("a.parquet", [0, 1], [[0.5], None]),
        ("b.parquet", [1, 2], [[0.5], [float("nan")]]),
        ("_temporary/c.parquet", [3], [[0.5]]),
        ("day=1/d.parquet", [5], [[0.5]]),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ids, "embedding": vectors}), tmp_path / name)
    assert counts(tmp_path, rows=6) == {"rows lost": 2, "rows doubled": 1, "without vector": 2}


def test_a_file_cut_short_is_unreadable(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert set(counts(tmp_path, rows=6).values()) == {"unreadable"}


def test_vectors_of_another_row_or_none_are_not_the_same():
    vectors = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert least_cosine(vectors, [[2.0, 0.0], [0.0, 1.0]]) == pytest.approx(1)
    assert least_cosine(vectors, [[2.0, 0.0], [1.0, 0.0]]) == 0
    assert least_cosine(vectors, [[2.0, 0.0], None]) == -1


def test_engines_whose_packages_are_absent_are_left_out_by_name(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named x' >&2\nexit 1\n")
    python.chmod(0o755)
    assert absent_peers(str(python)) == dict.fromkeys(("daft", "ray", "predict_batch_udf"), "No module named x")


def test_faults_of_our_job_count_unless_the_job_was_killed_or_refused():
    def row(fault, lost, doubled, job, engine="bert_spark"):
        return {"engine": engine, "fault": fault, "rows lost": lost, "rows doubled": doubled, "job": job}

    faults = [row("a null", 1, 2, "ends"), row("a worker is killed", 9, 0, "dead: Error"), row("job", 9, 0, "killed")]
    others = [row(DEFAULT_MODE, 9, 0, "dead: refused"), row("a null", 9, 9, "ends", engine="ray")]
    assert of_ours(faults + others) == (3, 1)
    assert of_ours([row("a null", "unreadable", "unreadable", "ends")]) == (float("inf"), 0)
