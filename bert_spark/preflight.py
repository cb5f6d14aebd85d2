"""Look before any row is read whether Spark's configuration fits the GPUs, and whether each executor can do the work.

Reports a table, and refuses what would fail later."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert_spark.config import EncoderConfig
from bert_spark.errors import SetupError
from bert_spark.probe import executors, facts_of_driver, probe, slots
from bert_spark.shipping import can_ship, ship

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.artefact import Artefact

logger = logging.getLogger(__name__)

SAME = ("python", "torch", "transformers")  # an executor's release must be the driver's: vectors depend on them
CONTEXT_BYTES = 600 << 20  # of one process on a card beside its model: CUDA context, kernels, a batch's activations


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or costs something: how bad, where, what was got and what to change."""

    refused: bool
    where: str
    what: str

    def __str__(self) -> str:
        return f"{'refused' if self.refused else 'warning'}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Report:
    """What the pre-flight saw: one dict of facts for the driver and for each executor, and what is wrong."""

    places: list[dict[str, Any]]
    findings: list[Finding]

    def __str__(self) -> str:
        columns = ("where", *SAME, *(name for name in ("artefact", "model", "device") if name in self.places[-1]))
        rows = [columns, *(tuple(str(place.get(name, "-"))[:40] for name in columns) for place in self.places)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(map(str, self.findings) if self.findings else ["ok: nothing found"])])


def ready(
    spark: SparkSession, config: EncoderConfig | None, *, artefact: Artefact | None = None, check_only: bool = False
) -> bool:
    """Look at configuration and executors; say whether the job is to go on.

    On this machine alone (master local) executors are the driver, and are looked at only with `check_only` or where
    tasks may share a card. An artefact that an executor can't read is sent to all, where Spark can.

    Parameters
    ----------
    spark
        The session of the job.
    config
        The encoder's settings; None where BERT does not run.
    artefact
        What the job loads on the executors.
    check_only
        Print the table and stop there.

    Raises
    ------
    SetupError
        When something is refused; its message is the table.
    """
    settings = spark_settings(spark)
    findings = check_settings(settings)
    places = [facts_of_driver(config, artefact)]
    if not any(finding.refused for finding in findings) and (check_only or not _here(spark, settings) or _card(config)):
        seen, unseen = _ask(spark, config, artefact)
        places += seen
        at_once = slots(spark) or _slots_told(settings)
        findings += unseen + compare(places) + check_cards(seen, settings, at_once, places[0].get("model_bytes", 0))
    report = Report(places, findings)
    if any(finding.refused for finding in findings):
        raise SetupError(f"the pre-flight found what would fail later\n{report}")
    for finding in findings:
        logger.warning("%s", finding)
    if check_only:
        print(report)  # noqa: T201 - what --check is for
    return not check_only


def _card(config: EncoderConfig | None) -> bool:
    """Tell whether BERT may use a card of this machine."""
    import torch

    return config is not None and config.device != "cpu" and torch.cuda.is_available()


def _ask(
    spark: SparkSession, config: EncoderConfig | None, artefact: Artefact | None
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the facts of each executor, and which gave none."""
    seen, failure = probe(spark, config, artefact)
    if artefact and can_ship(spark) and any(place.get("artefact") == "missing" for place in seen):
        ship(spark, artefact.path, artefact.digest)
        seen, failure = probe(spark, config, artefact)
    if failure:
        return seen, [Finding(True, "executors", failure)]
    known = executors(spark)
    silent = f"{len(seen)} of {known} executors answered; what the others lack shows in their first tasks only"
    return seen, [Finding(False, "executors", silent)] if len(seen) < known else []


def compare(places: list[dict[str, Any]]) -> list[Finding]:
    """Return where executors differ from the driver, which comes first in `places`, and what each says of itself."""
    driver, *others = places
    findings = []
    for place in others:
        for name in SAME:
            if place[name] not in (driver[name], "missing"):
                other = _release(name, place[name]) != _release(name, driver[name])
                advice = "install one version, or --package-env" if other else "another build of one release"
                text = f"{name} {place[name]}, the driver has {driver[name]}; {advice}"
                findings.append(Finding(other, place["where"], text))
        if "model" in place and place["model"] != driver.get("model"):
            text = f"the model is {place['model']}, the driver's is {driver['model']}; copy the driver's there"
            findings.append(Finding(True, place["where"], text))
        findings += [Finding(True, place["where"], problem) for problem in place["problems"]]
        findings += [Finding(False, place["where"], warning) for warning in place.get("warnings", [])]
    return findings


def _release(name: str, version: str) -> str:
    """Return what of a version must be the driver's: Python less its patch, torch less its build (+cpu, +cu130)."""
    return version.rpartition(".")[0] if name == "python" else version.partition("+")[0]


_NAMES = (
    "spark.master",
    "spark.executor.cores",
    "spark.task.cpus",
    "spark.executor.resource.gpu.amount",
    "spark.task.resource.gpu.amount",
    "spark.python.worker.reuse",
)


def spark_settings(spark: SparkSession) -> dict[str, str]:
    """Return the settings that matter here; Spark Connect gives the server's."""
    found = {name: spark.conf.get(name, "") for name in _NAMES}
    return {name: value for name, value in found.items() if value}


def is_local(settings: dict[str, str]) -> bool:
    """Tell whether tasks run in the driver's own process."""
    return re.match(r"local(\[|$)", settings.get("spark.master", "local")) is not None


def _here(spark: SparkSession, settings: dict[str, str]) -> bool:
    """Tell whether executors see what this process sees: a Connect server's machine can be another one."""
    return is_local(settings) and "connect" not in type(spark).__module__


def _slots_told(settings: dict[str, str]) -> int:
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


def check_cards(
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
