"""spark-submit.sh: its usage, the Python it uses, and what it passes to spark-submit. One test starts Spark."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.checkouts import fake_java, fake_python, fake_spark, start, write
from tests.support.paths import ROOT

JOB = """
import os, sys
import bert_spark
from pyspark.sql import SparkSession, functions as F

spark = SparkSession.builder.getOrCreate()

@F.udf("string")
def on_executor(number):
    import bert_spark, extra
    return f"{bert_spark.WHO} and {extra.WHO}, {sys.executable}"

print("executor:", spark.range(1).select(on_executor("id")).head()[0])
print("options:", sys.argv[1:])
print("conf:", spark.conf.get("spark.test.word"))
print("folder:", os.getcwd())
sys.exit(7)
"""


# ---- usage


def test_help_prints_usage():
    done = start(ROOT / "spark-submit.sh", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./spark-submit.sh [spark-submit options] jobs/X.py [job options]\n")


def test_no_arguments_print_usage_and_exit_2():
    done = start(ROOT / "spark-submit.sh")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ./spark-submit.sh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--master", "local[1]"], "no job ending in .py on the command line"),
        (["--conf"], "option --conf needs a value"),
        (["test"], "got 'test' where an option or a job ending in .py was expected"),
        (["jobs/nowhere.py"], "job 'jobs/nowhere.py' found neither in"),
        (["exec"], "exec needs a command"),
    ],
)
def test_wrong_command_line_is_named_and_exits_2(arguments, message):
    done = start(ROOT / "spark-submit.sh", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


# ---- settings of the jobs


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        (["jobs/embed.py", "--help"], 0, "usage: embed.py [-h] [--check]"),
        (["--master", "local[2]", "jobs/score.py", "-h"], 0, "usage: score.py [-h] [--check]"),
        (["jobs/embed.py", "--poling", "cls"], 2, "ConfigError: unrecognized arguments: --poling cls"),
        (["jobs/train.py", "--config", "no.toml"], 2, "ConfigError: config file 'no.toml' can't be read"),
        (["jobs/score.py", "--artefact", "nothing", "--input", "a.csv", "--output", "out"], 1, "has no metadata.json"),
        (["jobs/embed.py", "--input", "a.zip", "--output", "out"], 1, "is an archive"),
        # the machine has no Java, so these went on to look for it
        (["jobs/embed.py", "--input", "a.csv", "--output", "out"], 3, "no Java 17 or later"),
        (["--deploy-mode", "cluster", "jobs/embed.py", "--config", "there.toml"], 3, "no Java 17 or later"),
        (["--properties-file", "x", "jobs/embed.py", "--config", "there.toml"], 3, "no Java 17 or later"),
    ],
)
def test_help_and_wrong_settings_of_a_job_need_no_java(machine, tmp_path, arguments, code, printed):
    write(machine / "python3", f'#!/usr/bin/env bash\nexec {sys.executable} "$@"\n')
    variables = {"BERT_SPARK_JAVA_FOLDERS": "/nowhere"}
    done = start(ROOT / "spark-submit.sh", *arguments, path=machine, cwd=tmp_path, **variables)
    assert done.returncode == code, done.stderr
    assert printed in (done.stdout if code == 0 else done.stderr)


def test_the_job_of_another_folder_is_not_checked(machine, tmp_path):
    write(tmp_path / "embed.py", "")
    variables = {"BERT_SPARK_JAVA_FOLDERS": "/nowhere"}
    done = start(ROOT / "spark-submit.sh", "embed.py", "--poling", path=machine, cwd=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no Java 17 or later" in done.stderr


# ---- Python


def test_without_a_usable_python_three_commands_and_exit_code_3(checkout, machine):
    write(machine / "python3", "#!/usr/bin/env bash\necho too old >&2; exit 1\n")
    done = start(checkout / "spark-submit.sh", "exec", "true", path=machine)
    assert done.returncode == 3
    assert "the active Python cannot be used: too old" in done.stderr
    assert "sudo apt-get install -y python3 python3-venv" in done.stderr
    assert "sudo dnf install -y python3.11" in done.stderr
    assert "brew install python@3.11" in done.stderr


def test_active_environment_is_used_if_it_meets_the_requirements(checkout):
    done = start(checkout / "spark-submit.sh", "exec", "python", "-c", "import sys; print(sys.prefix)")
    assert done.stdout == f"{sys.prefix}\n"
    assert not (checkout / ".venv").exists()


# A fake Python whose `-m venv` makes a .venv that logs the calls of pip. pip fails while the file `broken` exists.
VENV_MAKER = """#!/usr/bin/env bash
case "$*" in
  *"launch.py meets"*) echo nothing here >&2; exit 1 ;;
  *"launch.py lock"*) exec "{python}" "$@" ;;
  "-m venv "*) {mkdir} -p "$3/bin"; {cp} "{pip}" "$3/bin/python" ;;
esac
"""
PIP = """#!/usr/bin/env bash
case "$*" in
  *"pip install"*) echo "$*" >>"{log}"; {sleep} 0.5; [ ! -e "{broken}" ] ;;
  "-c ") ;;
  *) echo "ran $*" ;;
esac
"""


@pytest.fixture
def installs(machine, tmp_path):
    """Put a fake Python on the machine's PATH that makes environments at once; return the log of its pip calls."""
    log, broken = tmp_path / "pip.log", tmp_path / "broken"
    pip = write(tmp_path / "fake-pip", PIP.format(log=log, broken=broken, sleep=shutil.which("sleep")))
    tools = {name: shutil.which(name) for name in ["mkdir", "cp"]}
    write(machine / "python3.11", VENV_MAKER.format(pip=pip, python=sys.executable, **tools))
    (machine / "python3").symlink_to(machine / "python3.11")
    (machine / "rm").symlink_to(shutil.which("rm"))
    log.touch()
    return log


def test_only_a_changed_pin_installs_again(checkout, machine, installs):
    def run():
        assert start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine).stdout == "ran x\n"
        return len(installs.read_text().splitlines())

    assert [run(), run()] == [1, 1]
    with (checkout / "conf" / "constraints.txt").open("a") as stream:
        stream.write("one-more==1.0\n")
    assert [run(), run()] == [2, 2]
    assert "-c conf/constraints.txt -e .[spark,minilm,report,test]" in installs.read_text()


def test_of_two_concurrent_starts_one_installs_and_both_run(checkout, machine, installs):
    def run(argument):
        return start(checkout / "spark-submit.sh", "exec", "python", argument, path=machine).stdout

    with ThreadPoolExecutor() as threads:
        assert list(threads.map(run, ["x", "y"])) == ["ran x\n", "ran y\n"]
    assert len(installs.read_text().splitlines()) == 1


def test_failed_install_exits_3_and_the_next_start_installs_again(checkout, machine, installs, tmp_path):
    (tmp_path / "broken").touch()
    done = start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine)
    assert (done.returncode, done.stdout) == (3, "")
    (checkout / ".venv" / "half").touch()
    (tmp_path / "broken").unlink()
    done = start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine)
    assert (done.returncode, done.stdout) == (0, "ran x\n")
    assert not (checkout / ".venv" / "half").exists()


@pytest.mark.parametrize(
    ("python", "code", "printed"),
    [
        ("", 3, "cannot be used ("),
        (
            "#!/usr/bin/env bash\necho it lacks torch >&2; exit 1\n",
            3,
            "cannot be used (it lacks torch), and it is left as",
        ),
        ('#!/usr/bin/env bash\ncase "$*" in *meets*) ;; *) echo "ran $*" ;; esac\n', 0, "ran x"),
    ],
    ids=["broken", "lacks something", "healthy"],
)
def test_an_environment_of_the_user_is_used_as_it_is_or_not_at_all(
    checkout, machine, installs, tmp_path, python, code, printed
):
    """No file of it is changed or removed, and nothing is installed into it."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    if python:
        write(checkout / ".venv" / "bin" / "python", python)
    (checkout / ".venv" / "mine").write_text("precious")
    before = {path: path.stat().st_mtime_ns for path in (checkout / ".venv").rglob("*")}
    done = start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine)
    assert done.returncode == code
    assert printed in done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in (checkout / ".venv").rglob("*")} == before
    assert installs.read_text() == ""
    elsewhere = {"BERT_SPARK_VENV": str(tmp_path / "made here")}
    assert start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine, **elsewhere).stdout == "ran x\n"
    assert len(installs.read_text().splitlines()) == 1


def test_what_is_removed_and_installed_is_said_before(checkout, machine, installs, tmp_path):
    (tmp_path / "broken").touch()
    first = start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine)
    assert "installing the versions of conf/constraints.txt into " in first.stderr
    assert "removing" not in first.stderr
    second = start(checkout / "spark-submit.sh", "exec", "python", "x", path=machine)
    assert "/.venv, which an earlier start has made and which does not work" in second.stderr


# ---- what reaches spark-submit


def test_options_before_and_after_the_job_reach_spark_submit_unchanged(checkout, machine, tmp_path):
    fake_java(machine / "java", "17")
    python = fake_python(machine / "python3")
    fake_spark(python.parent / "spark")
    write(checkout / "jobs" / "embed.py", "")
    job = ["jobs/embed.py", "--input", "a b.csv", "--conf", "x.py", ""]
    options = ["--verbose", "--name", "looks_like_a.py", "--conf=a=b c", "--py-files", "mine.py,other.zip"]
    done = start(checkout / "spark-submit.sh", *options, *job, path=machine, cwd=tmp_path)
    assert done.returncode == 9
    assert done.stdout == (
        "<--verbose><--name><looks_like_a.py><--conf=a=b c><--master><local[*,4]>"
        "<--py-files></built/package.zip,mine.py,other.zip>"
        f"<{checkout}/jobs/embed.py><--input><a b.csv><--conf><x.py><>"
    )


def test_job_in_the_current_folder_is_preferred_to_the_checkouts(checkout, machine, tmp_path):
    fake_java(machine / "java", "17")
    fake_spark(fake_python(machine / "python3").parent / "spark")
    write(checkout / "jobs" / "embed.py", "")
    write(tmp_path / "jobs" / "embed.py", "")
    done = start(checkout / "spark-submit.sh", "jobs/embed.py", path=machine, cwd=tmp_path)
    assert done.stdout == "<--master><local[*,4]><--py-files></built/package.zip><jobs/embed.py>"


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--master", "local[2]"], {}),
        (["--master=yarn"], {}),
        (["--remote", "sc://host"], {}),
        (["--conf", "spark.master=spark://host:7077"], {}),
        (["--properties-file", "site.conf"], {}),
        ([], {"MASTER": "yarn"}),
        ([], {"SPARK_CONF_DIR": "/etc/spark"}),
    ],
)
def test_a_master_that_the_user_names_stays(checkout, machine, options, variables):
    fake_java(machine / "java", "17")
    fake_spark(fake_python(machine / "python3").parent / "spark")
    write(checkout / "jobs" / "embed.py", "")
    done = start(checkout / "spark-submit.sh", *options, "jobs/embed.py", path=machine, **variables)
    assert "local[*,4]" not in done.stdout
    assert done.returncode == 9


def test_spark_home_of_the_user_is_used(checkout, machine, tmp_path):
    fake_java(machine / "java", "17")
    fake_python(machine / "python3")
    fake_spark(tmp_path / "my spark")
    write(checkout / "jobs" / "embed.py", "")
    done = start(checkout / "spark-submit.sh", "jobs/embed.py", path=machine, SPARK_HOME=str(tmp_path / "my spark"))
    assert done.returncode == 9


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "{python} {python}"),
        ({"PYSPARK_PYTHON": "./env/python"}, "./env/python {python}"),
        ({"PYSPARK_DRIVER_PYTHON": "/a b/python"}, "{python} /a b/python"),
    ],
)
def test_pyspark_python_is_set_unless_the_user_has_set_it(checkout, machine, variables, expected):
    fake_java(machine / "java", "17")
    python = fake_python(machine / "python3")
    script = "#!/usr/bin/env bash\necho $PYSPARK_PYTHON $PYSPARK_DRIVER_PYTHON\n"
    write(python.parent / "spark" / "bin" / "spark-submit", script)
    write(checkout / "jobs" / "embed.py", "")
    done = start(checkout / "spark-submit.sh", "jobs/embed.py", path=machine, **variables)
    assert done.stdout.strip() == expected.format(python=python)


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ([], {}, True),
        (["--master", "local[2]", "--name", "x"], {}, True),
        (["--master=local"], {}, True),
        (["--master", "local-cluster[1,1,1024]"], {}, False),
        (["--master", "yarn"], {}, False),
        (["--conf", "spark.master=yarn"], {}, False),
        (["--driver-java-options", "-Dx=1"], {}, False),
        (["--driver-memory", "32g"], {}, False),
        (["--conf", "spark.driver.extraJavaOptions=-Dx=1"], {}, False),
        ([], {"SPARK_SUBMIT_OPTS": "-Dx=1"}, False),
        ([], {"SPARK_HOME": "{spark}"}, False),
    ],
)
def test_java_is_tuned_for_a_run_on_this_machine_unless_the_user_sets_its_options(
    checkout, machine, options, variables, expected
):
    done = started_spark(checkout, machine, 'echo "$SPARK_SUBMIT_OPTS"', options, variables)
    assert ("-XX:+UseSerialGC" in done.stdout) is expected, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ([], {}, "2g"),
        ([], {"SPARK_DRIVER_MEMORY": "7g"}, "7g"),
        (["--driver-memory", "32g"], {}, "unset"),
        (["--master", "yarn"], {}, "unset"),
    ],
)
def test_a_run_on_this_machine_has_more_memory_than_sparks_default(checkout, machine, options, variables, expected):
    done = started_spark(checkout, machine, 'echo "${SPARK_DRIVER_MEMORY:-unset}"', options, variables)
    assert done.stdout.splitlines()[-1] == expected, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ([], {}, "true"),
        (["--driver-memory", "32g"], {}, "true"),
        ([], {"PYSPARK_UDS_MODE": "false"}, "false"),
        (["--driver-java-options", "-Djava.io.tmpdir=/data"], {}, "unset"),
        (["--master", "yarn"], {}, "unset"),
        ([], {"SPARK_HOME": "{spark}"}, "unset"),
    ],
)
def test_java_and_python_talk_over_a_unix_socket_on_this_machine(checkout, machine, options, variables, expected):
    done = started_spark(checkout, machine, 'echo "${PYSPARK_UDS_MODE:-unset}"', options, variables)
    assert done.stdout == f"{expected}\n"


def started_spark(checkout, machine, script, options, variables):
    """Start a job with a spark-submit that runs this script, and without the variables of this machine."""
    fake_java(machine / "java", "17")
    spark = fake_python(machine / "python3").parent / "spark"
    write(spark / "bin" / "spark-submit", f"#!/usr/bin/env bash\n{script}\n")
    write(checkout / "jobs" / "embed.py", "")
    names = ("SPARK_SUBMIT_OPTS", "SPARK_CONF_DIR", "SPARK_REMOTE", "MASTER", "JAVA_TOOL_OPTIONS", "PYSPARK_UDS_MODE")
    variables = dict.fromkeys(names, "") | {name: value.format(spark=spark) for name, value in variables.items()}
    return start(checkout / "spark-submit.sh", *options, "jobs/embed.py", path=machine, **variables)


@pytest.mark.parametrize("target", ["{checkout}/spark-submit.sh", "../check out/spark-submit.sh"])
def test_symlink_from_another_folder_finds_the_checkout(checkout, tmp_path, target):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "first").symlink_to(target.format(checkout=checkout))
    (tmp_path / "second").symlink_to("links/first")
    done = start("./second", "exec", "python", "-c", "import bert_spark; print(bert_spark.__file__)", cwd=tmp_path)
    assert done.stdout == f"{checkout}/bert_spark/__init__.py\n"


# ---- a real job


def test_real_job_gets_package_options_and_folder_and_returns_its_exit_code(checkout, tmp_path):
    write(checkout / "jobs" / "tiny.py", JOB)
    write(tmp_path / "extra.py", 'WHO = "the extra file"\n')
    options = ["--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", "spark.test.word=two words"]
    job = ["--py-files", "extra.py", "jobs/tiny.py", "--first", "an option", "x.py"]
    done = start(checkout / "spark-submit.sh", *options, *job, cwd=tmp_path)
    assert done.returncode == 7, done.stderr
    assert "executor: the package and the extra file, " + sys.executable in done.stdout
    assert "options: ['--first', 'an option', 'x.py']" in done.stdout
    assert "conf: two words" in done.stdout
    assert f"folder: {tmp_path}" in done.stdout


def test_exit_code_of_pytest_is_returned(checkout):
    write(checkout / "tests" / "test_one.py", "def test_one():\n    assert False\n")
    done = start(checkout / "spark-submit.sh", "tests", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
