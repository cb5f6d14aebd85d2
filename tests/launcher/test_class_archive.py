"""conf/class_archive.py: Java's archive of Spark's classes is made once, and a start without it still works."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.checkouts import fake_python, fake_spark, start, write
from tests.support.paths import ROOT

# In place of the session that starts Spark.
SESSION = """
sys.prefix = str(Path(__file__).parent.parent / "environment")
if __name__ == "__main__" and sys.argv[1:2] == ["session"]:
    Path(sys.argv[2]).parent.joinpath("sessions").open("a").write("x")
    draft = os.environ["SPARK_SUBMIT_OPTS"].split()[0].partition("=")[2]
    sys.exit(1) if os.environ.get("BROKEN") else Path(draft).write_text("classes")
    sys.exit(0)
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout whose session writes a file in place of Spark's classes, and an empty environment."""
    root = tmp_path / "checkout"
    for folder in ("conf", "environment"):
        (root / folder).mkdir(parents=True)
    for name in ("launch.py", "class_archive.py"):
        shutil.copy(ROOT / "conf" / name, root / "conf" / name)
    program = root / "conf" / "class_archive.py"
    head, start_of_main, main = program.read_text().partition('if __name__ == "__main__":')
    program.write_text(head + SESSION + start_of_main + main)
    write(tmp_path / "java" / "bin" / "java", "#!/bin/sh\n")
    return root


def archive_of(root, *options, **variables):
    command = [sys.executable, str(root / "conf" / "class_archive.py"), *options]
    environment = os.environ | {"JAVA_HOME": str(root.parent / "java")} | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_archive_is_made_on_request_once_and_again_for_another_java(checkout):
    assert archive_of(checkout, "find").stdout == ""
    first, second, third = archive_of(checkout, "make"), archive_of(checkout, "make"), archive_of(checkout, "find")
    assert first.stdout == second.stdout == third.stdout
    assert first.stdout.startswith(f"{checkout}/environment/spark-classes-")
    assert "archiving Spark's classes" in first.stderr
    assert (second.stderr, third.stderr) == ("", "")
    assert (checkout / "environment" / "sessions").read_text() == "x"
    os.utime(checkout.parent / "java" / "bin" / "java", (1, 1))
    assert archive_of(checkout, "make").stdout not in ("", first.stdout)
    assert (checkout / "environment" / "sessions").read_text() == "xx"


def test_a_session_that_fails_is_told_once_and_jobs_start_without_an_archive(checkout):
    failed = archive_of(checkout, "make", BROKEN="1")
    assert (failed.returncode, failed.stdout) == (0, "")
    assert "could not be archived (CalledProcessError); starts take a few seconds longer" in failed.stderr
    again = archive_of(checkout, "make")
    assert (again.stdout, again.stderr) == ("", "")


def test_a_path_that_java_would_split_gets_no_archive(checkout, tmp_path):
    odd = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name} with blanks") / "checkout"
    done = archive_of(odd, "make")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("own_spark", "options", "java_options", "used"),
    [
        (False, [], "-Dmine=1", True),
        (True, [], "-Dmine=1", False),
        (False, [], "-XX:StartFlightRecording=filename=x", False),
        (False, ["--driver-java-options", "-javaagent:/opt/agent.jar"], "-Dmine=1", False),
    ],
    ids=["its own Spark", "another Spark", "a recording", "an agent"],
)
def test_spark_submit_uses_the_archive_if_it_fits(tmp_path, machine, own_spark, options, java_options, used):
    """Java 17 can crash if an agent or a recording reads classes of an archive."""
    root = tmp_path / "with archive"
    (root / "conf").mkdir(parents=True)
    shutil.copy(ROOT / "spark-submit.sh", root)
    fake_python(machine / "python3")
    text = (machine / "python3").read_text()
    write(machine / "python3", text.replace('*"class_archive.py"*) ;;', '*"class_archive.py"*) echo /built/x.jsa ;;'))
    (machine / "java").symlink_to(shutil.which("java"))
    write(root / "job.py", "")
    for folder in (machine / "spark", tmp_path / "spark"):
        fake_spark(folder)
        write(folder / "bin" / "spark-submit", '#!/usr/bin/env bash\necho "$SPARK_SUBMIT_OPTS"\n')
    variables = {"SPARK_SUBMIT_OPTS": java_options} | ({"SPARK_HOME": str(tmp_path / "spark")} if own_spark else {})
    done = start(root / "spark-submit.sh", *options, root / "job.py", path=machine, **variables)
    assert ("-XX:SharedArchiveFile=/built/x.jsa" in done.stdout) is used
    assert done.stdout.rstrip().endswith(java_options)
