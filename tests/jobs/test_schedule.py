"""conf/schedule/: the command that each scheduler runs, and how it treats exit codes. No scheduler runs here."""

import configparser
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest

from bert_spark.cli.job_sections import ALL_SECTIONS, JOB_SECTIONS
from bert_spark.settings import from_mapping, read_toml
from jobs import score
from tests.support.paths import ROOT
from tests.support.timeouts import HANGS_AFTER_S

FOLDER = ROOT / "conf" / "schedule"
UNITS = ("bert-spark-score.service", "bert-spark-score.timer")
COMMAND = ["jobs/score.py", "--config", "/etc/bert_spark/nightly.toml", "--run-date"]


def unit(name):
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str
    parser.read_string((FOLDER / name).read_text())
    return parser


def cron_line():
    (line,) = [line for line in (FOLDER / "bert-spark.cron").read_text().splitlines() if re.match(r"[0-9*@]", line)]
    return line


def run_with_fake_submit(command, folder, code=0):
    """Run a bash command next to a fake spark-submit.sh; return the fake's arguments and the finished process."""
    (folder / "spark-submit.sh").write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >arguments\nexit {code}\n')
    (folder / "spark-submit.sh").chmod(0o755)
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_S)
    return (folder / "arguments").read_text().splitlines(), done


def yesterday():
    return str(datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1))


def test_service_runs_yesterday_and_returns_the_exit_code(tmp_path):
    bash, flag, command = shlex.split(unit(UNITS[0])["Service"]["ExecStart"].replace("%%", "%"))
    assert (bash, flag) == ("/bin/bash", "-c")
    before = yesterday()
    arguments, done = run_with_fake_submit(command, tmp_path, code=4)
    assert arguments[:-1] == COMMAND
    assert arguments[-1] in (before, yesterday())
    assert done.returncode == 4


def test_service_does_not_retry_codes_that_would_repeat():
    service = unit(UNITS[0])["Service"]
    assert (service["Type"], service["Restart"]) == ("oneshot", "on-failure")
    assert set(service["RestartPreventExitStatus"].split()) == {"2", "4"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_units(name):
    done = subprocess.run(
        ["systemd-analyze", "verify", FOLDER / name], capture_output=True, text=True, timeout=HANGS_AFTER_S
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_cron_runs_yesterday_and_prints_the_code_of_a_failure(tmp_path):
    fields = cron_line().split(maxsplit=6)
    assert fields[:6] == ["30", "2", "*", "*", "*", "bert_spark"]
    assert re.findall(r"(?<!\\)%", fields[6]) == []  # a bare % ends the command
    command = fields[6].replace(r"\%", "%").replace("/opt/bert_spark", ".").replace("/var/log/bert_spark", ".")
    before = yesterday()
    arguments, done = run_with_fake_submit(command, tmp_path, code=4)
    assert arguments[:-1] == COMMAND
    assert arguments[-1] in (before, yesterday())
    assert done.stdout == "bert_spark: exit code 4, see ./score.log\n"
    assert run_with_fake_submit(command, tmp_path)[1].stdout == ""


def test_cron_install_lines_create_the_log_folder():
    text = (FOLDER / "bert-spark.cron").read_text()
    assert "install -d -o bert_spark /var/log/bert_spark " in text
    assert ">>/var/log/bert_spark/score.log" in text


def test_nightly_settings_are_valid():
    tables = read_toml(FOLDER / "nightly.toml", ALL_SECTIONS)
    settings = {name: from_mapping(JOB_SECTIONS["score"][name], table, name) for name, table in tables.items()}
    assert "{run_date}" in settings["input"].path


def test_databricks_settings_are_valid_and_use_tables(tmp_path):
    lines = (FOLDER / "nightly.toml").read_text().split("On Databricks")[1].splitlines()[1:]
    (tmp_path / "nightly.toml").write_text("\n".join(line.removeprefix("# ") for line in lines))
    tables = read_toml(tmp_path / "nightly.toml", ALL_SECTIONS)
    settings = {name: from_mapping(JOB_SECTIONS["score"][name], table, name) for name, table in tables.items()}
    assert settings["input"].format == settings["scores"].format == "table"
    assert settings["schedule"].work.startswith("/Volumes/")


def test_options_in_schedules_exist(capsys):
    with pytest.raises(SystemExit, match="0"):
        score.main(["--help"])
    known = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    lines = [cron_line(), unit(UNITS[0])["Service"]["ExecStart"], (FOLDER / "bert_spark_dag.py").read_text()]
    passed = {option for line in lines for option in re.findall(r"(--(?:config|run)[a-z-]*)", line)}
    passed |= {parameter.split("=")[0] for parameter in bundle_task()["python_wheel_task"]["parameters"]}
    assert passed == {"--config", "--run-date", "--incremental", "--checkpoint"}
    assert passed - known == set()


def bundle_job():
    yaml = pytest.importorskip("yaml", reason="PyYAML missing: pip install pyyaml")
    return yaml.safe_load((FOLDER / "databricks.yml").read_text())["resources"]["jobs"]["score"]


def bundle_task():
    (task,) = bundle_job()["tasks"]
    return task


def test_bundle_calls_an_entry_point_that_raises_errors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheel_task = bundle_task()["python_wheel_task"]
    assert wheel_task["package_name"] == project["name"].replace("-", "_")
    assert wheel_task["entry_point"] in project["entry-points"]["bert_spark.tasks"]


def test_bundle_runs_one_at_a_time_and_uses_declared_names():
    job = bundle_job()
    assert job["max_concurrent_runs"] == 1
    assert len(job["schedule"]["quartz_cron_expression"].split()) == 6  # seconds first
    declared = {parameter["name"] for parameter in job["parameters"]}
    assert set(re.findall(r"job\.parameters\.(\w+)", json.dumps(job))) == declared
    assert bundle_task()["job_cluster_key"] in {cluster["job_cluster_key"] for cluster in job["job_clusters"]}


def test_airflow_loads_the_dag_and_retries_only_transient_failures(tmp_path):
    python = os.environ.get("AIRFLOW_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import airflow.sdk"], capture_output=True).returncode:
        pytest.skip("Airflow 3 missing: pip install apache-airflow elsewhere, AIRFLOW_PYTHON=its/bin/python")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["AIRFLOW_HOME"] = str(tmp_path)
    command = [python, ROOT / "tests" / "support" / "airflow_check.py", tmp_path / "found.json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANGS_AFTER_S)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["errors"] == []
    assert found["dag"] == ["bert_spark_score", 1, False]
    assert found["command"] == " ".join(["./spark-submit.sh", *COMMAND, "2026-11-24"])
    retried, final = "AirflowException", "AirflowFailException"
    assert found["retries"] == 2
    assert found["outcomes"] == {"0": "done", "1": retried, "2": final, "3": retried, "4": final}
