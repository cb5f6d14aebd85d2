"""Start spark-submit.sh next to fakes of Java, Python and Spark."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.timeouts import HANGS_AFTER_S


def write(path, text):
    """Write an executable file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_java(path, version):
    """Write a fake Java that prints its home and version."""
    lines = [f"    java.home = {path.parent.parent}", f"    java.specification.version = {version}"]
    return write(path, "#!/usr/bin/env bash\nprintf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + " >&2\n")


def fake_python(path):
    """Write a fake Python that meets all requirements and prints its arguments and JAVA_HOME."""
    return write(
        path,
        f"""#!/usr/bin/env bash
case "$*" in
  *"launch.py meets"*) echo '{path}' ;;
  *"launch.py zip") echo /built/package.zip ;;
  *"launch.py spark-home") echo '{path.parent}/spark' ;;
  *"class_archive.py"*) ;;
  *"-m bert_spark.cli"*) ;;
  *) echo "JAVA_HOME=$JAVA_HOME python $*" ;;
esac
""",
    )


def fake_spark(folder):
    """Write a fake Spark whose spark-submit prints its arguments and exits with 9."""
    return write(folder / "bin" / "spark-submit", "#!/usr/bin/env bash\nprintf '<%s>' \"$@\"\nexit 9\n")


def start(script, *arguments, path=None, cwd=None, **variables):
    """Run `script` with PATH `path`; if it is None, with this Python environment active."""
    removed = {"SPARK_HOME", "PYTHONPATH", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "BERT_SPARK_JAVA_FOLDERS"}
    removed |= {"BERT_SPARK_INSTALL_JAVA", "BERT_SPARK_VENV", "CI"}
    if path is not None:
        removed |= {"JAVA_HOME"}
    env = {key: value for key, value in os.environ.items() if key not in removed}
    env["PATH"] = str(path) if path is not None else f"{Path(sys.executable).parent}:{env['PATH']}"
    command = [str(script), *arguments]
    return subprocess.run(
        command,
        env=env | variables,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
