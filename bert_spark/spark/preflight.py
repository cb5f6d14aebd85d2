"""Check that Spark's settings and every executor fit the job, before any row is read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.device import may_have_gpu
from bert_spark.errors import SetupError
from bert_spark.spark.artefact_shipping import can_ship_artefacts, ship_artefact
from bert_spark.spark.executor_probe import executor_count, executor_slots, probe_executors
from bert_spark.spark.gpu_settings import check_gpu_memory, check_settings, configured_slots, is_local, spark_settings
from bert_spark.spark.preflight_report import COMPARED_VERSIONS, Finding, PreflightReport
from bert_spark.spark.process_facts import driver_facts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.artefact.artefact_group import ArtefactGroup

logger = logging.getLogger(__name__)


def run_preflight(
    spark: SparkSession,
    config: EncoderConfig | None,
    *,
    artefacts: ArtefactGroup | None = None,
    check_only: bool = False,
) -> bool:
    """Check the settings and the executors; return whether the job is to go on.

    With master local the executor is the driver. It is then asked only with `check_only`, or if tasks may share a GPU.
    An artefact that an executor cannot read is sent to all of them, if Spark can.

    Parameters
    ----------
    spark
        The session of the job.
    config
        The encoder's settings; None if BERT does not run.
    artefacts
        The artefacts that the job loads on executors.
    check_only
        Whether to print the table and stop the job.

    Raises
    ------
    SetupError
        If something is refused. The message is the table.
    """
    settings = spark_settings(spark)
    findings = check_settings(settings)
    driver = driver_facts(config, artefacts)
    executors: list[dict[str, Any]] = []
    ask = check_only or not _executors_are_local(spark, settings) or _may_use_gpu(config)
    if ask and not any(finding.refused for finding in findings):
        executors, unanswered = _ask_executors(spark, config, artefacts)
        at_once = executor_slots(spark) or configured_slots(settings)
        findings += [
            *unanswered,
            *compare_with_driver(driver, executors),
            *check_gpu_memory(executors, settings, at_once, driver.get("model_bytes", 0)),
        ]
    report = PreflightReport([driver, *executors], findings)
    if any(finding.refused for finding in findings):
        raise SetupError(f"the pre-flight found what would fail later\n{report}")
    for finding in findings:
        logger.warning("%s", finding)
    if check_only:
        print(report)  # noqa: T201 - the output of --check
    return not check_only


def compare_with_driver(driver: dict[str, Any], executors: list[dict[str, Any]]) -> list[Finding]:
    """Return how executors differ from the driver, and the problems and warnings that each reports of itself."""
    findings = []
    for facts in executors:
        where = facts["where"]
        for name in COMPARED_VERSIONS:
            if facts[name] not in (driver[name], "missing"):
                differs = _comparable_release(name, facts[name]) != _comparable_release(name, driver[name])
                advice = "install one version, or use --package-env" if differs else "another build of one release"
                text = f"{name} {facts[name]}, the driver has {driver[name]}; {advice}"
                findings.append(Finding(differs, where, text))
        if "model" in facts and facts["model"] != driver.get("model"):
            text = f"the model is {facts['model']}, the driver's is {driver['model']}; copy the driver's model there"
            findings.append(Finding(True, where, text))
        findings += [Finding(True, where, problem) for problem in facts["problems"]]
        findings += [Finding(False, where, warning) for warning in facts.get("warnings", [])]
    return findings


def _ask_executors(
    spark: SparkSession, config: EncoderConfig | None, artefacts: ArtefactGroup | None
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the facts of each executor, and a finding if some did not answer."""
    executors, failure = probe_executors(spark, config, artefacts)
    missing = {digest for facts in executors for digest in facts.get("missing_artefacts", ())}
    if artefacts and missing and can_ship_artefacts(spark):
        for artefact in artefacts.artefacts:
            if artefact.digest in missing:
                ship_artefact(spark, artefact.path, artefact.digest)
        executors, failure = probe_executors(spark, config, artefacts)
    if failure:
        return executors, [Finding(True, "executors", failure)]
    known = executor_count(spark)
    text = f"{len(executors)} of {known} executors answered; what the others lack shows in their first tasks only"
    return executors, [Finding(False, "executors", text)] if len(executors) < known else []


def _may_use_gpu(config: EncoderConfig | None) -> bool:
    """Tell whether BERT may use a GPU of this machine. torch is imported only if there may be one."""
    if config is None or config.device == "cpu" or not may_have_gpu():
        return False
    import torch

    return torch.cuda.is_available()


def _executors_are_local(spark: SparkSession, settings: dict[str, str]) -> bool:
    """Tell whether executors see what this process sees: a Connect server may run on another machine."""
    return is_local(settings) and "connect" not in type(spark).__module__


def _comparable_release(name: str, version: str) -> str:
    """Return the part of a version that must equal the driver's.

    Python's patch number may differ, and so may torch's build (+cpu, +cu130).
    """
    return version.rpartition(".")[0] if name == "python" else version.partition("+")[0]
