"""spark-submit.sh finds a Java that is new enough, installs one, or prints the commands that do."""

import shutil

import pytest

from tests.support.checkouts import fake_java, fake_python, start, write


def test_without_java_a_user_gets_three_commands_and_exit_code_3(checkout, machine, tmp_path):
    (machine / "id").unlink()
    write(machine / "id", "#!/usr/bin/env bash\necho 1000\n")
    write(machine / "apt-get", "#!/usr/bin/env bash\necho must not run; exit 1\n")
    done = start(checkout / "spark-submit.sh", "tests", path=machine, BERT_SPARK_JAVA_FOLDERS=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "must not run" not in done.stderr
    assert "sudo apt-get install -y openjdk-17-jre-headless" in done.stderr
    assert "sudo dnf install -y java-21-openjdk-headless" in done.stderr
    assert "brew install openjdk@17" in done.stderr


def test_without_java_and_apt_root_gets_the_commands(checkout, machine, tmp_path):
    (machine / "id").unlink()
    write(machine / "id", "#!/usr/bin/env bash\necho 0\n")
    done = start(checkout / "spark-submit.sh", "tests", path=machine, BERT_SPARK_JAVA_FOLDERS=str(tmp_path / "none"))
    assert done.returncode == 3
    assert "installing" not in done.stderr
    assert "sudo dnf install -y java-21-openjdk-headless" in done.stderr


@pytest.mark.parametrize("variables", [{}, {"CI": "false"}, {"BERT_SPARK_INSTALL_JAVA": "0", "CI": "true"}])
def test_root_is_asked_before_java_is_installed(checkout, machine, tmp_path, variables):
    (machine / "id").unlink()
    write(machine / "id", "#!/usr/bin/env bash\necho 0\n")
    write(machine / "apt-get", "#!/usr/bin/env bash\necho must not run; exit 1\n")
    folders = {"BERT_SPARK_JAVA_FOLDERS": str(tmp_path / "none")}
    done = start(checkout / "spark-submit.sh", "tests", path=machine, **folders, **variables)
    assert done.returncode == 3
    assert "must not run" not in done.stderr
    assert "Or start again with BERT_SPARK_INSTALL_JAVA=1, which lets this program run apt-get." in done.stderr


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"BERT_SPARK_INSTALL_JAVA": "1"}])
def test_root_with_apt_installs_java_on_request_and_continues(checkout, machine, tmp_path, variables):
    (machine / "id").unlink()
    write(machine / "id", "#!/usr/bin/env bash\necho 0\n")
    java = fake_java(tmp_path / "packed" / "bin" / "java", "17")
    (tmp_path / "jvm").mkdir()
    install = (
        f'#!/usr/bin/env bash\necho "apt-get $*"\n[ "$1" = update ] || ln -s {java.parent.parent} {tmp_path}/jvm/new\n'
    )
    write(machine / "apt-get", install)
    (machine / "ln").symlink_to(shutil.which("ln"))
    fake_python(machine / "python3")
    folders = {"BERT_SPARK_JAVA_FOLDERS": str(tmp_path / "jvm")}
    done = start(checkout / "spark-submit.sh", "tests", path=machine, **folders, **variables)
    assert "no Java 17 or later found; installing the headless JRE with apt-get" in done.stderr
    assert "apt-get install -y --no-install-recommends openjdk-17-jre-headless" in done.stderr
    assert done.stdout == f"JAVA_HOME={java.parent.parent} python -m pytest\n"


def test_too_old_java_is_skipped_for_a_newer_one(checkout, machine, tmp_path):
    fake_python(machine / "python3")
    fake_java(machine / "java", "1.8")
    old = fake_java(tmp_path / "old" / "bin" / "java", "11").parent.parent
    new = fake_java(tmp_path / "jvm" / "java 21" / "bin" / "java", "21").parent.parent
    variables = {"JAVA_HOME": str(old), "BERT_SPARK_JAVA_FOLDERS": f"{tmp_path}/none:{tmp_path}/jvm"}
    done = start(checkout / "spark-submit.sh", "tests", "-x", path=machine, **variables)
    assert done.stdout == f"JAVA_HOME={new} python -m pytest -x\n"


def test_java_home_is_tried_before_path(checkout, machine, tmp_path):
    fake_python(machine / "python3")
    fake_java(machine / "java", "17")
    home = fake_java(tmp_path / "mine" / "bin" / "java", "21").parent.parent
    done = start(checkout / "spark-submit.sh", "tests", path=machine, JAVA_HOME=str(home))
    assert done.stdout == f"JAVA_HOME={home} python -m pytest\n"
