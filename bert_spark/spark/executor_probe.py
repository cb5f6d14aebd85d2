"""Ask every executor for its facts, with a tiny job.

With `session` and `package_shipping`, the only module here that uses a classic session's SparkContext: for the number
of executors, and for the number of tasks that each runs at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.artefact.artefact_group import ArtefactGroup


ROUNDS = 3
TASK_S = 1.0  # how long a task of the probe lasts


def probe_executors(
    spark: SparkSession, config: EncoderConfig | None, artefacts: ArtefactGroup | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Run a tiny job on every executor.

    Parameters
    ----------
    spark
        The session.
    config
        The encoder's settings; None if BERT does not run.
    artefacts
        The artefacts that tasks load.

    Returns
    -------
    tuple
        The facts of each executor that answered, and the reason why the job failed, or "".
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    settings = config.settings() if config else None
    places = artefacts.places if artefacts else {}
    probe = F.udf(_probe_function(settings, TASK_S, places), "string", useArrow=False).asNondeterministic()
    answers: dict[str, dict[str, Any]] = {}
    try:
        for _ in range(ROUNDS):
            slots = spark.range(1 << 20).select(F.spark_partition_id()).distinct().count()
            for row in spark.range(0, slots, 1, slots).select(probe("id").alias("facts")).collect():
                facts = json.loads(row["facts"])
                answers.setdefault(facts["where"], facts)
            if len(answers) >= executor_count(spark):
                break
    except PySparkException as err:
        return list(answers.values()), failure_reason(str(err))
    return [answers[where] for where in sorted(answers)], ""


def _probe_function(
    settings: dict[str, Any] | None, task_s: float, artefacts: Mapping[str, tuple[str, str]] | None = None
) -> Callable[[int], str]:
    """Return the function that runs on executors.

    It is nested, and so pickled with its code: it must also run on an executor that lacks this package.
    """

    def probe(number: int) -> str:
        import importlib
        import json
        import os
        import platform
        import socket
        import time

        end = time.monotonic() + task_s  # while this task lasts, Spark sends the others to other executors
        where = f"{socket.gethostname()}, executor {os.getppid()}"
        facts: dict[str, Any] = {"where": where, "python": platform.python_version(), "problems": []}
        for name in ("torch", "transformers"):
            try:
                facts[name] = importlib.import_module(name).__version__  # of what tasks will load
            except Exception as err:
                facts[name] = "missing"
                facts["problems"].append(f"{name} can't be imported ({type(err).__name__}: {err})")
        try:
            if not facts["problems"]:
                facts |= importlib.import_module("bert_spark.spark.process_facts").executor_facts(settings, artefacts)
        except Exception as err:
            facts["problems"].append(f"bert_spark can't be used ({type(err).__name__}: {err}); send it with --py-files")
        time.sleep(max(0.0, end - time.monotonic()))
        return json.dumps(facts)

    return probe


def executor_count(spark: SparkSession) -> int:
    """Return the number of executors; 0 with Spark Connect, which does not report it."""
    try:
        context = spark.sparkContext
    except Exception:  # Connect has no SparkContext, and raises one of several errors
        return 0
    return max(1, len(context._jsc.sc().statusTracker().getExecutorInfos()) - 1)


def executor_slots(spark: SparkSession) -> int:
    """Return how many tasks the largest executor runs at once; 0 with Spark Connect, which does not report it."""
    try:
        context = spark.sparkContext
    except Exception:  # as in executor_count
        return 0
    executors = context._jsc.sc().statusStore().executorList(True)
    return max((executors.apply(i).maxTasks() for i in range(executors.size())), default=0)


_KNOWN_FAILURES = (
    (r"PYTHON_VERSION_MISMATCH\] (.+)", "{}; give executors the driver's Python (PYSPARK_PYTHON, or --package-env)"),
    (
        r'Cannot run program "([^"]+)"',
        "executors have no Python at {}; set PYSPARK_PYTHON to one that they have, or use --package-env",
    ),
    (r"No module named '?pyspark", "executors can't import pyspark; see their logs"),
)


def failure_reason(message: str) -> str:
    """Return the reason in one of Spark's long error messages, as one line."""
    for pattern, text in _KNOWN_FAILURES:
        match = re.search(pattern, message)
        if match:
            return text.format(*match.groups())
    return message.strip().splitlines()[0]
