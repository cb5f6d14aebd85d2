"""conf/launch.py: the check of pyproject.toml's requirements, and the zip of the package for executors."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def checkout(folder, package):
    """Make a checkout that holds conf/, pyproject.toml and a package of these files only."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in package.items():
        (folder / "bert_spark" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "bert_spark" / name).write_text(text)
    return folder


def launch(root, *arguments, **variables):
    command = [sys.executable, str(root / "conf" / "launch.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)


@pytest.mark.parametrize(
    ("met", "unmet", "message"),
    [
        ('"pandas>=2.3,<4"', '"pandas>=99"', "lacks pandas>=99 (has "),
        ('"pandas>=2.3,<4"', '"pandas>=2.3,<4", "no-such-thing"', "lacks no-such-thing"),
        ('"pandas>=2.3,<4"', "\"no-such-thing; python_version < '3'\"", None),
        ('"pyspark[connect]>=3.5,<4.4"', '"pyspark[connect]<3"', "lacks pyspark[connect]<3 (has "),
    ],
)
def test_unmet_requirement_is_named(tmp_path, met, unmet, message):
    root = checkout(tmp_path, {})
    text = (root / "pyproject.toml").read_text()
    assert met in text
    (root / "pyproject.toml").write_text(text.replace(met, unmet))
    done = launch(root, "meets", "spark")
    if message is None:
        assert (done.returncode, done.stdout) == (0, f"{sys.executable}\n")
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr


def test_zip_holds_only_the_package(tmp_path):
    files = {"__init__.py": "", "templates/page.html": "<p>", "__pycache__/x.pyc": ""}
    archive = Path(launch(checkout(tmp_path, files), "zip").stdout.strip())
    assert archive.parent == tmp_path / "temp"
    assert zipfile.ZipFile(archive).namelist() == ["bert_spark/__init__.py", "bert_spark/templates/page.html"]


def test_zip_is_written_once_and_is_reproducible(tmp_path):
    root = checkout(tmp_path, {"__init__.py": ""})
    first = Path(launch(root, "zip").stdout.strip())
    assert [entry.date_time for entry in zipfile.ZipFile(first).infolist()] == [(1980, 1, 1, 0, 0, 0)]
    written, content = first.stat().st_mtime_ns, first.read_bytes()
    os.utime(root / "bert_spark" / "__init__.py", (1, 1))
    launch(root, "zip")
    assert first.stat().st_mtime_ns == written
    first.unlink()
    launch(root, "zip")
    assert first.read_bytes() == content


def test_zip_of_a_changed_package_has_another_name(tmp_path):
    root = checkout(tmp_path, {"__init__.py": ""})
    first = launch(root, "zip").stdout
    (root / "bert_spark" / "__init__.py").write_text("changed = True")
    assert launch(root, "zip").stdout != first
    assert Path(first.strip()).exists()


@pytest.mark.parametrize("folder", ["a space", "a,comma", "a#hash", "ä"])
def test_zip_is_never_at_a_path_that_spark_would_misread(tmp_path, folder):
    (tmp_path / "safe").mkdir()
    done = launch(checkout(tmp_path / folder, {"__init__.py": ""}), "zip", TMPDIR=str(tmp_path / "safe"))
    assert Path(done.stdout).parent == tmp_path / "safe" / f"bert_spark-{os.getuid()}"
