"""A real standalone Spark cluster: a Master and two Workers as processes of their own, from pyspark's own files.

Each Worker has two cores and two GPUs that a script makes up. Processes are stopped by their ids. What runs on
executors finds `executor_side/` on its PYTHONPATH, which logs model loads and injects faults as FAULT says.
"""

import contextlib
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.dataset
import pytest

ROOT = Path(__file__).resolve().parent.parent
SIDE = ROOT / "tests" / "executor_side"
SPARK_HOME = Path(importlib.util.find_spec("pyspark").origin).parent
GPUS = {"spark.executor.resource.gpu.amount": "1", "spark.task.resource.gpu.amount": "1", "spark.executor.cores": "1"}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Return a running cluster; a module of tests takes it with pytest_plugins = ["cluster"]."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started.start()
    finally:
        started.stop()


def until(condition, seconds=240.0):
    """Return the first true value of condition(); fail after some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds} s: {condition}")


def environment(**variables):
    """Return this process's variables without what another Spark left in them."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK", "PYTHONPATH"))
    }
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return kept | {"PATH": path, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": "127.0.0.1"} | variables


@dataclass
class Cluster:
    """Master and Workers, started at first use and stopped by `stop`."""

    folder: Path
    master: str = ""
    processes: list = field(default_factory=list)
    runs: int = 0

    def start(self):
        """Start the Master and two Workers, and wait until both are registered."""
        script = self.folder / "gpus.sh"
        script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
        script.chmod(0o755)
        resources = {"spark.worker.resource.gpu.amount": 2, "spark.worker.resource.gpu.discoveryScript": script}
        settings = self.folder / "worker.conf"
        settings.write_text("".join(f"{key} {value}\n" for key, value in resources.items()))
        log = self._spawn("master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.master = until(lambda: re.search(r"spark://127\.0\.0\.1:\d+", log.read_text()))[0]
        self.add_worker("worker1")
        self.add_worker("worker2")
        until(lambda: log.read_text().count("Registering worker") == 2)
        return self

    def add_worker(self, name, **variables):
        """Start one more Worker with variables of its own; return its process."""
        arguments = ["--cores", "2", "--memory", "3g", "--webui-port", "0", "--work-dir", str(self.folder / name)]
        arguments += ["--properties-file", str(self.folder / "worker.conf"), self.master]
        log = self._spawn("worker.Worker", *arguments, log=f"{name}.log", **variables)
        until(lambda: "Successfully registered with master" in log.read_text())
        return self.processes[-1]

    def _spawn(self, kind, *arguments, log="master.log", **variables):
        path = self.folder / log
        command = [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
        with path.open("w") as stream:
            started = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment(**variables))
        self.processes.append(started)
        return path

    def stop(self):
        """End every process that was started here, by its id; Workers end their executors."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
                continue
            process.kill()

    def end(self, process):
        """Stop one process that was started here."""
        process.terminate()
        process.wait(20)
        self.processes.remove(process)

    def executors(self):
        """Return the executors that run now, as psutil processes."""
        found = []
        for process in self.processes[1:]:
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(process.pid).children()
                found += [child for child in children if "CoarseGrainedExecutorBackend" in " ".join(child.cmdline())]
        return found

    def submit(self, job, *options, fault="", conf=None, model=None, **variables):
        """Start ./spark-submit.sh with a job of the checkout or a script; return the run."""
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        folder.mkdir()
        if model is not None:  # a path of the driver's folder, where no executor runs
            (folder / "drivers_own").symlink_to(model)
        sent = {
            "spark.executorEnv.PYTHONPATH": str(SIDE),
            "spark.executorEnv.SIDE_LOG": str(folder / "side.log"),
            "spark.executorEnv.FAULT": fault,
            "spark.executor.memory": "768m",
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.log.level": "WARN",
            **GPUS,
            **(conf or {}),
        }
        flags = [part for key, value in sent.items() if value != "" for part in ("--conf", f"{key}={value}")]
        command = [str(ROOT / "spark-submit.sh"), "--master", self.master, *flags, str(job), *map(str, options)]
        with (folder / "output.log").open("w") as stream:
            variables = environment(HF_HUB_OFFLINE="1", **variables)
            process = subprocess.Popen(command, stdout=stream, stderr=stream, env=variables, cwd=folder)
        return Run(process, folder)


@dataclass
class Run:
    """One application: its driver's process and the folder with its logs."""

    process: subprocess.Popen
    folder: Path

    def wait(self, seconds=400, code=0):
        """Wait for the end and return all output; fail on another exit code."""
        try:
            found = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            found = "none: too slow"
        assert found == code, self.output[-6000:]
        return self.output

    def until(self, condition):
        """Wait until condition() is true while the driver runs."""
        until(lambda: condition() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output[-6000:]

    @property
    def output(self):
        """What the driver has printed by now."""
        return (self.folder / "output.log").read_text()

    def side(self, what):
        """Return what executors have logged by now under one name: lists of words."""
        path = self.folder / "side.log"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [words[1:] for words in lines if words[0] == what]


def rows_of(folder):
    """Return the rows of a Parquet folder as dicts."""
    return pyarrow.dataset.dataset(str(folder), format="parquet", exclude_invalid_files=True).to_table().to_pylist()


def free_port():
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
