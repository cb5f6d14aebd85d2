"""Check Spark's GPU settings, and whether the models of an executor's tasks fit onto its card."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from bert_spark.spark.preflight_report import Finding

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


CONTEXT_BYTES = 600 << 20  # of one process on a card beside its model: CUDA context, kernels, a batch's activations
_SETTINGS = (
    "spark.master",
    "spark.executor.cores",
    "spark.task.cpus",
    "spark.executor.resource.gpu.amount",
    "spark.task.resource.gpu.amount",
    "spark.python.worker.reuse",
)


def spark_settings(spark: SparkSession) -> dict[str, str]:
    """Return the settings that matter here; Spark Connect gives the server's."""
    found = {name: spark.conf.get(name, "") for name in _SETTINGS}
    return {name: value for name, value in found.items() if value}


def is_local(settings: dict[str, str]) -> bool:
    """Tell whether tasks run in the driver's own process."""
    return re.match(r"local(\[|$)", settings.get("spark.master", "local")) is not None


def configured_slots(settings: dict[str, str]) -> int:
    """Return the tasks that an executor runs at once by Spark's settings; 0 where they don't say."""
    return int(settings.get("spark.executor.cores", 0)) // int(settings.get("spark.task.cpus", 1))


def tasks_per_gpu(settings: dict[str, str], at_once: int) -> int:
    """Return how many tasks Spark runs on one card: all that an executor runs `at_once` (0: unknown) where they ask for
    no GPU, since they use its first card; else as many as the share they ask for and its CPUs leave.
    """
    if "spark.task.resource.gpu.amount" not in settings:
        return max(1, at_once)
    share = float(settings["spark.task.resource.gpu.amount"])
    by_share = math.floor(1 / share) if 0 < share < 1 else 1
    cards = float(settings.get("spark.executor.resource.gpu.amount", 1))
    return max(1, min(by_share, math.ceil(at_once / cards))) if at_once else by_share


def check_settings(settings: dict[str, str]) -> list[Finding]:
    """Return what is wrong in Spark's settings, before anything runs."""
    executor, task = (float(settings.get(f"spark.{who}.resource.gpu.amount", 0)) for who in ("executor", "task"))
    found = []
    if is_local(settings) and (executor or task):
        found.append(
            "master local has no executors to give GPUs to, and Spark would wait for ever; drop "
            "spark.executor.resource.gpu.* and spark.task.resource.gpu.amount: a local run uses this machine's card"
        )
    elif executor and not task:
        found.append(
            "executors get GPUs, tasks ask for none: all tasks of an executor would use its first card; "
            "set spark.task.resource.gpu.amount to 1"
        )
    findings = [Finding(True, "spark settings", text) for text in found]
    if settings.get("spark.python.worker.reuse", "true").lower() == "false":
        cost = "spark.python.worker.reuse is false: each task imports torch and loads the model again, seconds a task"
        findings.append(Finding(False, "spark settings", f"{cost}; leave it true"))
    return findings


def check_gpu_memory(
    places: list[dict[str, Any]], settings: dict[str, str], at_once: int, model_bytes: int
) -> list[Finding]:
    """Return where several tasks share a card: refused when their models can't fit, else a warning with the sum."""
    tasks = tasks_per_gpu(settings, at_once)
    need = tasks * (model_bytes + CONTEXT_BYTES)
    sums = f"{tasks} tasks x ({model_bytes / 1e6:.0f} MB model + {CONTEXT_BYTES / 1e6:.0f} MB) = {need / 1e9:.1f} GB"
    if "spark.task.resource.gpu.amount" in settings:
        advice = "set spark.task.resource.gpu.amount to 1"
    elif is_local(settings):
        advice = "set spark.task.cpus to the N of local[N]"
    else:
        advice = "set spark.executor.resource.gpu.amount and spark.task.resource.gpu.amount to 1, as conf/gpu.conf does"
    findings = []
    for place in places:
        card = place.get("card_bytes")
        if card is not None and need > card:
            findings.append(Finding(True, place["where"], f"{sums}; the card has {card / 1e9:.1f} GB; {advice}"))
        elif card is not None and tasks > 1:
            text = f"{sums} of a card's {card / 1e9:.1f} GB; one task a card is as fast and needs less: {advice}"
            findings.append(Finding(False, place["where"], text))
    return findings
