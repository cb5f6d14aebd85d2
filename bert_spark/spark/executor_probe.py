"""Ask every executor, by a tiny job, what it is and what it lacks; the driver is asked the same.

With `session`, the one module that looks at a classic session's SparkContext: to learn how many executors there are and
how many tasks each runs at once.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bert_spark.encoding.config import EncoderConfig
from bert_spark.encoding.model_files import folder_digest, weight_files
from bert_spark.encoding.model_resolver import resolve_model
from bert_spark.errors import ArtefactError, BertSparkError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bert_spark.artefact.artefact import Artefact


ROUNDS = 3


def driver_facts(config: EncoderConfig | None, artefact: Artefact | None = None) -> dict[str, Any]:
    """Return the driver's versions, artefact and model.

    Raises
    ------
    ModelError
        When the driver itself has no such model.
    """
    import torch
    import transformers

    facts = {
        "where": "driver",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if artefact is not None:
        facts["artefact"] = artefact.digest[:12]
    if config is None:
        return facts
    folder = resolve_model(config.model, config.revision)
    size = sum(path.stat().st_size for path in weight_files(folder))
    return facts | {"model": folder_digest(folder)[:12], "model_bytes": size}


def executor_facts(settings: dict[str, Any] | None, artefact: tuple[str, str] | None) -> dict[str, Any]:
    """Return, on an executor, which artefact, model and device it has; what it lacks as a reason under "problems"."""
    config = EncoderConfig(**settings) if settings else None
    facts: dict[str, Any] = {"problems": []}
    try:
        if artefact is not None:
            config = _artefact_encoder(*artefact, facts)
    except BertSparkError as err:
        facts["problems"].append(str(err))
        return facts
    return facts if config is None else _encoder_facts(config, facts)


def _artefact_encoder(path: str, digest: str, facts: dict[str, Any]) -> EncoderConfig | None:
    """Load an artefact as a task will; return the settings of its encoder, whose model can be inside it."""
    from bert_spark.artefact.loading import cached_artefact
    from bert_spark.spark.artefact_shipping import artefact_folder_here

    try:
        folder = artefact_folder_here(path, digest)
    except ArtefactError:
        facts["artefact"] = "missing"
        raise
    facts["artefact"] = digest[:12]
    artefact = cached_artefact(folder, digest)
    return artefact.config if artefact.uses_bert else None


def _encoder_facts(config: EncoderConfig, facts: dict[str, Any]) -> dict[str, Any]:
    import torch

    from bert_spark.encoding.device import pick_device, task_gpu_addresses

    try:
        facts["model"] = folder_digest(resolve_model(config.model, config.revision))[:12]
    except BertSparkError as err:
        facts["problems"].append(f"{err}; executors read the model from their own disk: put it on a path that all see")
    try:
        facts["device"] = pick_device(config.device)
        if facts["device"].startswith("cuda"):
            facts["card_bytes"] = int(torch.cuda.get_device_properties(facts["device"]).total_memory)
    except BertSparkError as err:
        facts["problems"].append(str(err).splitlines()[0])
    except (RuntimeError, AssertionError) as err:  # torch asserts that it has a card of that number
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        facts["problems"].append(f"device {facts.get('device', config.device)!r} can't be used ({reason})")
    if config.device == "auto" and facts.get("device") == "cpu" and task_gpu_addresses():
        facts["warnings"] = ["Spark gives this executor a GPU, torch sees none: BERT will run on its CPU"]
    return facts


def _probe_function(
    settings: dict[str, Any] | None, wait_s: float, artefact: tuple[str, str] | None = None
) -> Callable[[int], str]:
    """Return the function that runs on executors: pickled whole, so that it runs where this package is not."""

    def look(number: int) -> str:
        import importlib
        import json
        import os
        import platform
        import socket
        import time

        end = time.monotonic() + wait_s  # a task that lasts lets the others go to other executors
        place = f"{socket.gethostname()}, executor {os.getppid()}"
        facts: dict[str, Any] = {"where": place, "python": platform.python_version(), "problems": []}
        for name in ("torch", "transformers"):
            try:
                facts[name] = importlib.import_module(name).__version__
            except Exception as err:
                facts[name] = "missing"
                facts["problems"].append(f"{name} can't be imported ({type(err).__name__}: {err})")
        try:
            if not facts["problems"]:
                facts |= importlib.import_module("bert_spark.spark.executor_probe").executor_facts(settings, artefact)
        except Exception as err:
            facts["problems"].append(f"bert_spark can't be used ({type(err).__name__}: {err}); send it with --py-files")
        time.sleep(max(0.0, end - time.monotonic()))
        return json.dumps(facts)

    return look


def probe_executors(
    spark: SparkSession, config: EncoderConfig | None, artefact: Artefact | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Run a tiny job on every executor; return the facts of each, and why the job failed, or ""."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    settings = config.settings() if config else None
    loaded = (artefact.path, artefact.digest) if artefact else None
    look = F.udf(_probe_function(settings, 1.0, loaded), "string", useArrow=False).asNondeterministic()
    seen: dict[str, dict[str, Any]] = {}
    try:
        for _ in range(ROUNDS):
            tasks = spark.range(1 << 20).select(F.spark_partition_id()).distinct().count()  # one a slot
            for row in spark.range(0, tasks, 1, tasks).select(look("id").alias("facts")).collect():
                facts = json.loads(row["facts"])
                seen.setdefault(facts["where"], facts)
            if len(seen) >= executor_count(spark):
                break
    except PySparkException as err:
        return list(seen.values()), failure_reason(str(err))
    return [seen[where] for where in sorted(seen)], ""


def executor_count(spark: SparkSession) -> int:
    """Return how many executors there are; 0 where Spark Connect keeps it to itself."""
    try:
        context = spark.sparkContext
    except Exception:  # Connect has none, and says so in several ways
        return 0
    return max(1, len(context._jsc.sc().statusTracker().getExecutorInfos()) - 1)


def executor_slots(spark: SparkSession) -> int:
    """Return how many tasks an executor runs at once, of the largest one; 0 where Spark Connect keeps it to itself."""
    try:
        context = spark.sparkContext
    except Exception:  # Connect, as above
        return 0
    known = context._jsc.sc().statusStore().executorList(True)
    return max((known.apply(i).maxTasks() for i in range(known.size())), default=0)


_KNOWN_FAILURES = (
    (r"PYTHON_VERSION_MISMATCH\] (.+)", "{}; give executors the driver's Python (PYSPARK_PYTHON, or --package-env)"),
    (r'Cannot run program "([^"]+)"', "no Python at {} there; set PYSPARK_PYTHON to one they have, or --package-env"),
    (r"No module named '?pyspark", "pyspark can't be imported there; see the executors' logs"),
)


def failure_reason(message: str) -> str:
    """Return the reason in Spark's own long message, in one line."""
    for pattern, text in _KNOWN_FAILURES:
        found = re.search(pattern, message)
        if found:
            return text.format(*found.groups())
    return message.strip().splitlines()[0]
