"""Give torch and the tokenizer as many threads as the task has CPUs."""

from __future__ import annotations

import os


def task_cpus() -> int | None:
    """Return the number of CPUs Spark gave to the running task; None outside a task."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    return context.cpus() if context is not None else None


def limit_threads() -> None:
    """Give torch and the tokenizer as many threads as the task has CPUs; what the user has set stands.

    Spark itself sets OMP_NUM_THREADS in a worker, to spark.task.cpus or to what spark.executorEnv.OMP_NUM_THREADS says,
    and torch follows it: there torch's own number is left alone.
    """
    cpus = task_cpus()
    if cpus is None:
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if cpus > 1 else "false")
    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))  # the tokenizer's pool, else one thread a core of the machine
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        if torch.get_num_threads() != cpus:
            torch.set_num_threads(cpus)
