"""The wheel, installed into an environment of its own, runs from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

pytest.importorskip("pyspark", reason="pyspark missing: pip install pyspark")


def run_command(*command, cwd, code=0):
    of_these_tests = ("PYTHONPATH", "PYSPARK", "SPARK_HOME")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(of_these_tests)}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_S
    )
    assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel from a copy and install it into a new environment; return its bin/ folder.

    The environment also sees the packages of this one.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("bert_spark", "jobs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run_command(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source, cwd=folder)
    run_command(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run_command(python, "-c", code, cwd=folder).strip())
    # Python does not read the .pth files in these folders: the checkout's own does not count
    site_packages = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "packages_of_the_tests.pth").write_text("\n".join(site_packages))
    (wheel,) = folder.glob("*.whl")
    run_command(*pip, "--python", python, "install", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=folder)
    return python.parent


def test_jobs_are_in_the_package_and_not_at_top_level(installed, tmp_path):
    code = (
        "import bert_spark.jobs.train as t; print(t.__file__); import importlib.util as u; print(u.find_spec('jobs'))"
    )
    where, jobs = run_command(installed / "python", "-c", code, cwd=tmp_path).split()
    assert where.startswith(str(installed.parent))
    assert jobs == "None"


@pytest.mark.parametrize("job", ["embed", "train", "score", "search", "inspect", "calibrate"])
def test_each_job_is_a_command(installed, tmp_path, job):
    assert f"usage: bert-spark-{job}" in run_command(installed / f"bert-spark-{job}", "--help", cwd=tmp_path)


def test_command_without_options_is_refused(installed, tmp_path):
    assert "no options given, and there is no checkout here" in run_command(
        installed / "bert-spark-embed", cwd=tmp_path, code=2
    )


def test_embed_runs_from_an_empty_folder(installed, tiny_bert, tmp_path):
    (tmp_path / "tweets.csv").write_text("id,text\n1,hi\n2,\n")
    options = ["--input", "tweets.csv", "--model", tiny_bert, "--output", tmp_path / "out"]
    assert "embed: 2 rows in" in run_command(installed / "bert-spark-embed", *options, cwd=tmp_path)
    (record,) = (tmp_path / "_manifests").glob("embed-*.json")
    assert json.loads(record.read_text())["rows_out"] == 2


def test_wheel_holds_the_templates(installed, tmp_path):
    code = """
from importlib.resources import files
print(*(file.name for file in (files("bert_spark.training") / "templates").iterdir()))
"""
    assert set(run_command(installed / "python", "-c", code, cwd=tmp_path).split()) == {"model_card.md", "report.html"}


def test_task_entry_points_raise_errors(installed, tmp_path):
    code = """
import sys
from importlib.metadata import distribution
sys.argv = ["task", "--pooling=median"]
tasks = {e.name: e for e in distribution("bert_spark").entry_points if e.group == "bert_spark.tasks"}
print(*sorted(tasks))
try:
    tasks["embed"].load()()
except Exception as err:
    print(type(err).__name__, err)
"""
    printed = run_command(installed / "python", "-c", code, cwd=tmp_path)
    assert printed.splitlines()[0] == "embed score search train"
    assert "ConfigError [encoder]: pooling 'median' is unknown" in printed
