"""PySpark's worker daemon, which imports the modules of the tasks before it forks the first worker.

`local_workers` names it and the modules. Each Python worker of the machine would otherwise import them itself.
"""

import gc
import importlib
import os
from socket import socket

from pyspark import daemon

MODULES = "BERT_SPARK_TASK_IMPORTS"  # variable with their names, separated by commas


def import_modules() -> None:
    """Import the modules of the tasks. One that fails is imported again by the first task, which reports the error."""
    for name in filter(None, os.environ.get(MODULES, "").split(",")):
        try:
            importlib.import_module(name)
        except Exception:
            return


def end_quietly_with_spark() -> None:
    """Let a worker end without a stack trace in the console if Spark has closed its Unix socket."""
    run_worker = daemon.worker

    def worker(sock: socket, authenticated: bool) -> int:
        try:
            return int(run_worker(sock, authenticated))
        except BrokenPipeError:
            return 1

    daemon.worker = worker


if __name__ == "__main__":
    import_modules()
    end_quietly_with_spark()
    gc.freeze()  # a worker collects garbage after every task, over all objects that are not frozen
    daemon.manager()
