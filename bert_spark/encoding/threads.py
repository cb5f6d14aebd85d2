"""Limit the threads of torch and of the tokenizer to the CPUs of the task."""

from __future__ import annotations

import os


def task_cpus() -> int | None:
    """Return the number of CPUs that Spark gave to the running task. None outside a task."""
    try:
        from pyspark import TaskContext
    except ImportError:
        return None
    context = TaskContext.get()
    return context.cpus() if context is not None else None


def limit_threads() -> None:
    """Give torch and the tokenizer as many threads as the task has CPUs. Variables set by the user stay.

    Spark itself sets OMP_NUM_THREADS in a worker, to spark.task.cpus or to spark.executorEnv.OMP_NUM_THREADS. torch
    follows the variable, so its number of threads is not changed then.
    """
    cpus = task_cpus()
    if cpus is None:
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if cpus > 1 else "false")
    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))  # the tokenizer's pool; its default is one thread per core
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        if torch.get_num_threads() != cpus:
            torch.set_num_threads(cpus)


def tokenizer_threads() -> int:
    """Return the number of threads that the library tokenizers uses in this process."""
    if os.environ.get("TOKENIZERS_PARALLELISM", "true").lower() not in ("true", "on", "yes", "y", "t", "1"):
        return 1
    stated = os.environ.get("RAYON_NUM_THREADS", "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
