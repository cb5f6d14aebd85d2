"""A minimal checkout, and a PATH that holds a shell only."""

import shutil

import pytest

from tests.support.checkouts import write
from tests.support.paths import ROOT

SHELL_TOOLS = ["bash", "cat", "cksum", "dirname", "env", "grep", "id", "ls", "mkdir", "readlink", "sed"]


@pytest.fixture
def checkout(tmp_path):
    """Return a minimal checkout, in a folder with a space in its name."""
    folder = tmp_path / "check out"
    (folder / "conf").mkdir(parents=True)
    for name in ["spark-submit.sh", "pyproject.toml", "conf/launch.py", "conf/constraints.txt"]:
        shutil.copy(ROOT / name, folder / name)
    write(folder / "bert_spark" / "__init__.py", 'WHO = "the package"\n')
    return folder


@pytest.fixture
def machine(tmp_path):
    """Return a folder to use as PATH: it holds a shell's tools, and whatever a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SHELL_TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder
