"""What the tests of spark-submit.sh share: a small checkout, a machine with a shell, fakes of what it looks for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SHELL_TOOLS = ["bash", "cat", "cksum", "dirname", "env", "grep", "id", "ls", "mkdir", "readlink", "sed"]


@pytest.fixture
def checkout(tmp_path):
    """A checkout as small as can be, in a folder with a space in its name."""
    folder = tmp_path / "check out"
    (folder / "conf").mkdir(parents=True)
    for name in ["spark-submit.sh", "pyproject.toml", "conf/launch.py", "conf/constraints.txt"]:
        shutil.copy(ROOT / name, folder / name)
    write(folder / "bert_spark" / "__init__.py", 'WHO = "the package"\n')
    return folder


@pytest.fixture
def machine(tmp_path):
    """PATH of a machine with a shell, and nothing else until a test puts it there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SHELL_TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_java(path, version):
    lines = [f"    java.home = {path.parent.parent}", f"    java.specification.version = {version}"]
    return write(path, "#!/usr/bin/env bash\nprintf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + " >&2\n")


def fake_python(path):
    """An interpreter that has all that is asked for, and tells how it was called and with which Java."""
    return write(
        path,
        f"""#!/usr/bin/env bash
case "$*" in
  *"launch.py meets"*) echo '{path}' ;;
  *"launch.py zip") echo /built/package.zip ;;
  *"launch.py spark-home") echo '{path.parent}/spark' ;;
  *) echo "JAVA_HOME=$JAVA_HOME python $*" ;;
esac
""",
    )


def fake_spark(folder):
    return write(folder / "bin" / "spark-submit", "#!/usr/bin/env bash\nprintf '<%s>' \"$@\"\nexit 9\n")


def start(script, *arguments, path=None, cwd=None, **variables):
    """Run `script` with this interpreter as the active one unless `path` is given."""
    dropped = {"SPARK_HOME", "PYTHONPATH", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "BERT_SPARK_JAVA_FOLDERS"}
    if path is not None:
        dropped |= {"JAVA_HOME"}
    env = {key: value for key, value in os.environ.items() if key not in dropped}
    env["PATH"] = str(path) if path is not None else f"{Path(sys.executable).parent}:{env['PATH']}"
    command = [str(script), *arguments]
    return subprocess.run(
        command, env=env | variables, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
    )
