"""Check Spark's GPU settings, and whether the models of an executor's tasks fit on its GPU."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from bert_spark.spark.preflight_report import Finding

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


CONTEXT_BYTES = 600 << 20  # GPU memory of a process beside its model: CUDA context, kernels, a batch's activations
_SETTINGS = (
    "spark.master",
    "spark.executor.cores",
    "spark.task.cpus",
    "spark.executor.resource.gpu.amount",
    "spark.task.resource.gpu.amount",
    "spark.python.worker.reuse",
)


def spark_settings(spark: SparkSession) -> dict[str, str]:
    """Return the Spark settings that are checked here, if they are set. Spark Connect returns those of the server."""
    settings = {name: spark.conf.get(name, "") for name in _SETTINGS}
    return {name: value for name, value in settings.items() if value}


def is_local(settings: dict[str, str]) -> bool:
    """Tell whether tasks run in the driver's own process."""
    return re.match(r"local(\[|$)", settings.get("spark.master", "local")) is not None


def configured_slots(settings: dict[str, str]) -> int:
    """Return how many tasks an executor runs at once by Spark's settings; 0 if they do not tell."""
    return int(settings.get("spark.executor.cores", 0)) // int(settings.get("spark.task.cpus", 1))


def tasks_per_gpu(settings: dict[str, str], at_once: int) -> int:
    """Return how many tasks Spark runs on one GPU.

    Tasks that request no GPU all use the executor's first one. Otherwise their number follows from the share of a GPU
    that a task requests, and is limited by the executor's CPUs.

    Parameters
    ----------
    settings
        Of `spark_settings`.
    at_once
        How many tasks an executor runs at once; 0 if unknown.
    """
    if "spark.task.resource.gpu.amount" not in settings:
        return max(1, at_once)
    share = float(settings["spark.task.resource.gpu.amount"])
    by_share = math.floor(1 / share) if 0 < share < 1 else 1
    gpus = float(settings.get("spark.executor.resource.gpu.amount", 1))
    return max(1, min(by_share, math.ceil(at_once / gpus))) if at_once else by_share


def check_settings(settings: dict[str, str]) -> list[Finding]:
    """Return what is wrong in Spark's settings."""
    executor, task = (float(settings.get(f"spark.{who}.resource.gpu.amount", 0)) for who in ("executor", "task"))
    findings = []
    if is_local(settings) and (executor or task):
        text = (
            "master local has no executors to give GPUs to, and Spark would wait for ever; remove "
            "spark.executor.resource.gpu.* and spark.task.resource.gpu.amount: a local run uses this machine's GPU"
        )
        findings.append(Finding(True, "spark settings", text))
    elif executor and not task:
        text = (
            "executors have GPUs, but tasks request none: all tasks of an executor would use its first GPU; "
            "set spark.task.resource.gpu.amount to 1"
        )
        findings.append(Finding(True, "spark settings", text))
    if settings.get("spark.python.worker.reuse", "true").lower() == "false":
        text = (
            "spark.python.worker.reuse is false: each task imports torch and loads the model again, which takes "
            "seconds; set it to true"
        )
        findings.append(Finding(False, "spark settings", text))
    return findings


def check_gpu_memory(
    executors: list[dict[str, Any]], settings: dict[str, str], at_once: int, model_bytes: int
) -> list[Finding]:
    """Return the executors on which several tasks share a GPU: refused if their models cannot fit, else a warning.

    Parameters
    ----------
    executors
        Facts of each executor. Those without "card_bytes" have no GPU.
    settings, at_once
        As in `tasks_per_gpu`.
    model_bytes
        Size of the model's weights.
    """
    tasks = tasks_per_gpu(settings, at_once)
    need = tasks * (model_bytes + CONTEXT_BYTES)
    total = f"{tasks} tasks x ({model_bytes / 1e6:.0f} MB model + {CONTEXT_BYTES / 1e6:.0f} MB) = {need / 1e9:.1f} GB"
    if "spark.task.resource.gpu.amount" in settings:
        advice = "set spark.task.resource.gpu.amount to 1"
    elif is_local(settings):
        advice = "set spark.task.cpus to the N of local[N]"
    else:
        advice = "set spark.executor.resource.gpu.amount and spark.task.resource.gpu.amount to 1, as conf/gpu.conf does"
    findings = []
    for facts in executors:
        memory = facts.get("card_bytes")
        if memory is not None and need > memory:
            text = f"{total}; the GPU has {memory / 1e9:.1f} GB; {advice}"
            findings.append(Finding(True, facts["where"], text))
        elif memory is not None and tasks > 1:
            text = f"{total} of the GPU's {memory / 1e9:.1f} GB; one task per GPU is as fast and needs less: {advice}"
            findings.append(Finding(False, facts["where"], text))
    return findings
