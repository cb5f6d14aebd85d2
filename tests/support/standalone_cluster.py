"""A real standalone Spark cluster from pyspark's files: a Master and two Workers, each a process of its own.

Each Worker has two cores, two GPUs that a script pretends to find, and its own host (127.0.0.2, .3, ...), since Spark
runs a speculative copy on another host only. The tests' process is the driver, so that many tests share one
application. Executors have `executor_side/` on their PYTHONPATH. It logs model loads and calls, and injects the faults
that the file FAULT_FILE names. Processes are stopped by their ids.
"""

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.dataset

from tests.support.paths import ROOT

SIDE = ROOT / "tests" / "support" / "executor_side"
SPARK_HOME = Path(importlib.util.find_spec("pyspark").origin).parent
JVM_OPTIONS = os.environ["SPARK_SUBMIT_OPTS"]
SETTINGS = {
    "spark.executor.extraJavaOptions": JVM_OPTIONS,
    "spark.executor.resource.gpu.amount": "1",
    "spark.task.resource.gpu.amount": "1",
    "spark.executor.cores": "1",
    "spark.cores.max": "2",  # one executor on each Worker
    "spark.executor.memory": "768m",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10",
    "spark.buffer.size": "512",  # a Python worker passes rows on at once, not in blocks of 64 kB
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


def until(condition, seconds=1200.0):
    """Return the first true value of condition(). Fail after `seconds`: only if something hangs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds} s: {condition}")


def environment(**variables):
    """Return this process's environment without the variables of another Spark, and with `variables`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK", "PYTHONPATH"))
    }
    path = f"{Path(sys.executable).parent}:{inherited['PATH']}"
    daemons = {"SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_JAVA_OPTS": JVM_OPTIONS}
    return inherited | {"PATH": path} | daemons | variables


@dataclass
class Cluster:
    """The Master and the Workers, and the log of their executors."""

    folder: Path
    master: str = ""
    processes: list = field(default_factory=list)

    def start(self):
        """Start the Master and two Workers, and wait until both are registered."""
        script = self.folder / "gpus.sh"
        script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
        script.chmod(0o755)
        resources = {"spark.worker.resource.gpu.amount": 2, "spark.worker.resource.gpu.discoveryScript": script}
        settings = self.folder / "worker.conf"
        settings.write_text("".join(f"{key} {value}\n" for key, value in resources.items()))
        self.inject("")
        log = self._spawn("master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0", log="master")
        self.master = until(lambda: re.search(r"spark://127\.0\.0\.1:\d+", log.read_text()))[0]
        self.start_workers("worker1", "worker2")
        return self

    def start_workers(self, *names, **variables):
        """Start Workers with these variables, wait until they are registered, and return their processes."""
        logs = []
        for name in names:
            host = f"127.0.0.{len(self.processes) + 1}"
            arguments = [
                "--host",
                host,
                "--cores",
                "2",
                "--memory",
                "3g",
                "--webui-port",
                "0",
                "--work-dir",
                str(self.folder / name),
            ]
            arguments += ["--properties-file", str(self.folder / "worker.conf"), self.master]
            worker_variables = {
                "SPARK_LOCAL_IP": host,
                "WORKER": name,
                "FAULT_FILE": str(self.fault_file),
                "SIDE_LOG": str(self.side_log),
            }
            worker_variables |= {"PYTHONPATH": str(SIDE), "HF_HUB_OFFLINE": "1"} | variables
            logs.append(self._spawn("worker.Worker", *arguments, log=name, **worker_variables))
        until(lambda: all("Successfully registered with master" in log.read_text() for log in logs))
        return self.processes[-len(names) :]

    def _spawn(self, kind, *arguments, log, **variables):
        path = self.folder / f"{log}.log"
        command = [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
        with path.open("w") as stream:
            started = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment(**variables))
        self.processes.append(started)
        return path

    def stop(self, *processes):
        """End these processes, or all that were started here. A Worker ends its executors."""
        ending = processes or tuple(reversed(self.processes))
        for process in ending:
            process.terminate()
        for process in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            self.processes.remove(process)

    @contextlib.contextmanager
    def application(self, conf=None):
        """Yield the session of a new application, whose driver is this process. Its fault ends with it."""
        from pyspark.sql import SparkSession

        os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        builder = SparkSession.builder.master(self.master).appName("cluster tests")
        for key, value in (SETTINGS | (conf or {})).items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()
            self.fault_file.write_text("")

    @property
    def fault_file(self):
        return self.folder / "fault"

    @property
    def side_log(self):
        return self.folder / "side.log"

    def inject(self, fault):
        """Make `fault` of executor_side/faults.py the active one, and empty the log."""
        for marker in self.folder.glob("side.log.*"):
            marker.unlink()
        self.side_log.write_text("")
        self.fault_file.write_text(fault)

    def logged(self, what):
        """Return what executors have logged so far under one name, as dicts."""
        lines = map(json.loads, self.side_log.read_text().splitlines())
        return [line for line in lines if line["what"] == what]

    @contextlib.contextmanager
    def killing(self, kind, output, also=""):
        """Kill a process while its task writes below `output`, during the block.

        `kind` is "python" for the task's Python worker, or "executor". The task waits in the middle of writing until it
        is killed, so that there is no race. `also` names further faults.
        """
        self.inject(f"hold,{also}")
        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(self._kill_waiting_task, kind, output)
            yield
            assert killed.result(), "nothing was killed"

    def _kill_waiting_task(self, kind, output):
        (waiting,) = until(lambda: self.logged("hold"))
        unfinished_file = f"*_m_{waiting['partition']:06d}_*/part-*"
        until(lambda: list(output.rglob(unfinished_file)))
        victim = psutil.Process(waiting["daemon"]).parent() if kind == "executor" else psutil.Process(waiting["pid"])
        assert kind == "python" or "CoarseGrainedExecutorBackend" in " ".join(victim.cmdline())
        victim.send_signal(signal.SIGKILL)
        return victim.pid

    def submit(self, job, *options, conf=None, seconds=1200, code=0, **variables):
        """Run a job with ./spark-submit.sh in the cluster's folder; return its output."""
        flags = [part for pair in (SETTINGS | (conf or {})).items() for part in ("--conf", "=".join(pair))]
        command = [str(ROOT / "spark-submit.sh"), "--master", self.master, *flags, str(job), *map(str, options)]
        job_environment = environment(HF_HUB_OFFLINE="1", SPARK_SUBMIT_OPTS=JVM_OPTIONS, **variables)
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=job_environment, timeout=seconds
        )
        assert done.returncode == code, (done.stdout + done.stderr)[-6000:]
        return done.stdout + done.stderr


def rows_of(folder):
    """Return the rows of a Parquet folder as dicts."""
    return pyarrow.dataset.dataset(str(folder), format="parquet", exclude_invalid_files=True).to_table().to_pylist()


def free_port():
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
