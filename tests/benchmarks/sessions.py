"""A local Spark session for the benchmarks, and the time and memory that work on it takes."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

_SUBMIT = Path(__file__).parents[2] / "spark-submit.sh"


def local_session(workers):
    """Return a local session that runs this many tasks at once, set up as spark-submit.sh does it."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("PYSPARK_UDS_MODE", "true")  # as the jobs do
    conf = {
        "spark.python.daemon.module": "bert_spark.spark.worker_daemon",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": _value_of("LOCAL_HEAP"),
        "spark.driver.extraJavaOptions": _value_of("LOCAL_JAVA"),
        "spark.sql.warehouse.dir": tempfile.mkdtemp(prefix="bert_spark-bench-"),
    }
    builder = SparkSession.builder.master(f"local[{workers}]")
    for key, value in conf.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _value_of(variable):
    """Return the value of one of the script's variables."""
    script = f'eval "$(grep ^{variable}= "$0")" && printf %s "${variable}"'
    return subprocess.run(["bash", "-c", script, str(_SUBMIT)], check=True, capture_output=True, text=True).stdout


def write_csv(texts, folder, name="tweets"):
    """Write texts and their ids to a csv file; return its path."""
    import pandas as pd

    path = os.path.join(folder, f"{name}.csv")
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(path, index=False)
    return path


class PeakMemory:
    """Peak resident memory in MB while the block runs: `worker` of one Python worker of Spark, `jvm` of the JVM."""

    def __enter__(self):
        self.worker = self.jvm = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while not self._end.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    size = process.memory_info().rss / 1e6
                    command = process.cmdline()
                    if "pyspark.daemon" in command:
                        self.worker = max(self.worker, size)
                    elif command and command[0].endswith("java"):  # also its children until they exec their own program
                        self.jvm = max(self.jvm, size)


def seconds(work):
    """Return how many seconds `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
