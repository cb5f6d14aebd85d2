"""The archive of --package-env runs from any folder, without this machine's Python environment."""

import subprocess
import sys
import tarfile

import pytest

from tests.support.standalone_cluster import ROOT, environment, rows_of


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "env.tar.gz"
    command = [str(ROOT / "spark-submit.sh"), "--package-env", str(path)]
    subprocess.run(command, check=True, env=environment(), timeout=1500)
    return path


@pytest.mark.slow
def test_the_archive_runs_from_another_folder(archive, tmp_path):
    with tarfile.open(archive) as packed:
        assert [entry.name for entry in packed if entry.issym() or entry.islnk()] == []
        packed.extractall(tmp_path / "moved", filter="data")
    code = "import sys, torch, transformers, pandas, pyarrow; print(sys.prefix, torch.__file__)"
    command = [str(tmp_path / "moved" / "bin" / "python"), "-c", code]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    prefix, torch = done.stdout.split()
    assert prefix == str(tmp_path / "moved")
    assert torch.startswith(prefix)


@pytest.mark.slow
@pytest.mark.cluster
def test_executors_run_from_the_archive(cluster, archive, tiny_bert, tmp_path):
    table = tmp_path / "in.csv"
    table.write_text("id,text\n1,hi\n")
    options = ["--input", table, "--model", tiny_bert, "--output", tmp_path / "out"]
    conf = {"spark.archives": f"{archive}#environment", "spark.cores.max": "1"}
    python = {"PYSPARK_PYTHON": "./environment/bin/python", "PYSPARK_DRIVER_PYTHON": sys.executable}
    cluster.submit(ROOT / "jobs" / "embed.py", *options, conf=conf, seconds=900, **python)
    (row,) = rows_of(tmp_path / "out")
    assert len(row["embedding"]) == 32
    executor = next(cluster.folder.glob("worker*/app-*/0/environment/bin/python"))
    assert not executor.is_symlink()
