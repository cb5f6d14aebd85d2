"""Check before any row is read that Spark's settings and every executor fit the job."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.errors import SetupError
from bert_spark.spark.artefact_shipping import can_ship_artefacts, ship_artefact
from bert_spark.spark.executor_probe import driver_facts, executor_count, executor_slots, probe_executors
from bert_spark.spark.gpu_settings import check_gpu_memory, check_settings, configured_slots, is_local, spark_settings
from bert_spark.spark.preflight_report import COMPARED_VERSIONS, Finding, PreflightReport

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.artefact.artefact import Artefact

logger = logging.getLogger(__name__)


def run_preflight(
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
    places = [driver_facts(config, artefact)]
    if not any(finding.refused for finding in findings) and (
        check_only or not _executors_are_local(spark, settings) or _may_use_gpu(config)
    ):
        seen, unseen = _ask_executors(spark, config, artefact)
        places += seen
        at_once = executor_slots(spark) or configured_slots(settings)
        findings += (
            unseen
            + compare_with_driver(places)
            + check_gpu_memory(seen, settings, at_once, places[0].get("model_bytes", 0))
        )
    report = PreflightReport(places, findings)
    if any(finding.refused for finding in findings):
        raise SetupError(f"the pre-flight found what would fail later\n{report}")
    for finding in findings:
        logger.warning("%s", finding)
    if check_only:
        print(report)  # noqa: T201 - what --check is for
    return not check_only


def _may_use_gpu(config: EncoderConfig | None) -> bool:
    """Tell whether BERT may use a card of this machine."""
    import torch

    return config is not None and config.device != "cpu" and torch.cuda.is_available()


def _ask_executors(
    spark: SparkSession, config: EncoderConfig | None, artefact: Artefact | None
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the facts of each executor, and which gave none."""
    seen, failure = probe_executors(spark, config, artefact)
    if artefact and can_ship_artefacts(spark) and any(place.get("artefact") == "missing" for place in seen):
        ship_artefact(spark, artefact.path, artefact.digest)
        seen, failure = probe_executors(spark, config, artefact)
    if failure:
        return seen, [Finding(True, "executors", failure)]
    known = executor_count(spark)
    silent = f"{len(seen)} of {known} executors answered; what the others lack shows in their first tasks only"
    return seen, [Finding(False, "executors", silent)] if len(seen) < known else []


def compare_with_driver(places: list[dict[str, Any]]) -> list[Finding]:
    """Return where executors differ from the driver, which comes first in `places`, and what each says of itself."""
    driver, *others = places
    findings = []
    for place in others:
        for name in COMPARED_VERSIONS:
            if place[name] not in (driver[name], "missing"):
                other = _comparable_release(name, place[name]) != _comparable_release(name, driver[name])
                advice = "install one version, or --package-env" if other else "another build of one release"
                text = f"{name} {place[name]}, the driver has {driver[name]}; {advice}"
                findings.append(Finding(other, place["where"], text))
        if "model" in place and place["model"] != driver.get("model"):
            text = f"the model is {place['model']}, the driver's is {driver['model']}; copy the driver's there"
            findings.append(Finding(True, place["where"], text))
        findings += [Finding(True, place["where"], problem) for problem in place["problems"]]
        findings += [Finding(False, place["where"], warning) for warning in place.get("warnings", [])]
    return findings


def _comparable_release(name: str, version: str) -> str:
    """Return what of a version must be the driver's: Python less its patch, torch less its build (+cpu, +cu130)."""
    return version.rpartition(".")[0] if name == "python" else version.partition("+")[0]


def _executors_are_local(spark: SparkSession, settings: dict[str, str]) -> bool:
    """Tell whether executors see what this process sees: a Connect server's machine can be another one."""
    return is_local(settings) and "connect" not in type(spark).__module__
