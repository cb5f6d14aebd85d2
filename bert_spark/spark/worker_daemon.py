"""PySpark's worker daemon, which imports the modules of the tasks before it forks the first worker.

`local_workers` names it and the modules. Each Python worker of the machine would otherwise import them itself.
"""

import gc
import importlib
import os

from pyspark.daemon import manager

MODULES = "BERT_SPARK_TASK_IMPORTS"  # variable with their names, separated by commas


def import_modules() -> None:
    """Import the modules of the tasks. One that fails is imported again by the first task, which reports the error."""
    for name in filter(None, os.environ.get(MODULES, "").split(",")):
        try:
            importlib.import_module(name)
        except Exception:
            return


if __name__ == "__main__":
    import_modules()
    gc.freeze()  # a worker collects garbage after every task, over all objects that are not frozen
    manager()
